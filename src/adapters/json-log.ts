/*
 * The log: one JSON object a line on the console, where Workers Logs and any collector read it.
 */
import { type Log } from '../ports.ts';

/** Writes a line. Fields that are undefined are left out. */
export const jsonLog: Log = (event, fields) => {
  const line = JSON.stringify({ event, ...fields });
  if (event === 'fault' || event === 'config_invalid') console.error(line);
  else console.log(line);
};
