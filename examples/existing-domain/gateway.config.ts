/*
 * A domain that is there already: the Worker stands before it, sells two parts of it and passes on everything else as it was.
 */
import { defineGateway } from 'l402-edge/config';

export const gateway = defineGateway({
  origin: 'same-zone',
  zoneHosts: ['example.com', 'www.example.com'],
  routes: [
    { match: 'GET /api/reports/:id', service: 'reports', priceSats: 50, description: 'One report' },
    {
      match: 'GET /archive/*',
      service: 'archive',
      priceSats: 300,
      access: { seconds: 86_400 },
      description: 'The archive for a day',
    },
    // Close the other methods, so that they cannot bypass the price.
    { match: '/api/reports/*', closed: true },
    { match: '/archive/*', closed: true },
    // Everything else, as the domain already serves it.
    { match: '/*', free: true },
  ],
});
