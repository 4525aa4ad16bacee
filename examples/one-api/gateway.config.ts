/*
 * One API, sold in three ways: by the call, as a pack of calls, and by the hour.
 */
import { defineGateway } from 'l402-edge/config';

const DAY = 86_400;

export const gateway = defineGateway({
  origin: 'https://api.example.com',
  // A token lives 30 days plus the time its invoice can be paid; graceHours must cover both.
  graceHours: 30 * 24 + 1,
  routes: [
    { match: 'GET /health', free: true },
    { match: 'GET /v1/weather/:city', priceSats: 10, description: 'Weather of one city' },
    {
      match: 'GET /v1/history/*',
      service: 'history',
      priceSats: 500,
      access: { calls: 100, seconds: 30 * DAY },
      description: 'Weather of the past, 100 calls',
    },
    { match: 'GET /v1/live', service: 'live', priceSats: 200, access: { seconds: 3600 }, description: 'Live weather, one hour' },
    { match: '/admin/*', closed: true },
  ],
});
