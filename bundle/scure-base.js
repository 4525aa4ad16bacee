/*
 * What the Worker's bundle takes of @scure/base. The invoice decoder asks for the package by `require`, which keeps all of
 * it, encodings that nothing here uses included; asked for like this, only these stay. Named by wrangler.toml.
 */
export { base64, bech32, hex, utf8 } from '../node_modules/@scure/base/index.js';
