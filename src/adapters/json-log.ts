/*
 * The log: one JSON object per line on the console, where Workers Logs and any collector read it. Effects: the console.
 */
import { type Log } from '../ports.ts';

/** Writes a line; omits undefined fields. */
export const jsonLog: Log = (event, fields) => {
  const line = JSON.stringify({ event, ...fields });
  if (event === 'fault' || event === 'config_invalid') console.error(line);
  else console.log(line);
};
