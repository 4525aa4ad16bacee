/*
 * `npm run docs`: writes docs/configuration.md. Effects: writes that file.
 */
import { writeFileSync } from 'node:fs';
import { PAGE_PATH, writePage } from './configuration-page.ts';

writeFileSync(PAGE_PATH, writePage());
