/*
 * `npm run check:config`: whether gateway.config.ts can be sold from. Run before each build and deployment, where the secrets and
 * variables of the platform are not at hand: only the file is looked at.
 */
import { checkGatewayFile, formatProblems, formatWarnings, readGatewayFile } from './gateway-file.ts';
import { hasSampleOrigin } from './sample-gateway.ts';

const file = await readGatewayFile();
const { problems, warnings } = file.ok ? checkGatewayFile(file.value) : { problems: file.refusal, warnings: [] };
if (warnings.length > 0) console.error(formatWarnings(warnings));
if (file.ok && hasSampleOrigin(file.value)) {
  console.error(formatWarnings(['origin: still that of the sample API, which only "npm start" brings along; name your own']));
}
if (problems.length > 0) {
  console.error(`gateway.config.ts cannot be sold from:\n${formatProblems(problems)}`);
  process.exitCode = 1;
}
