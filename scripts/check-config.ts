/*
 * `npm run check:config`: checks that gateway.config.ts is valid. It runs before each build and deployment, where the
 * platform's secrets and variables are not available, so only the file is checked. Effects: reads the file.
 */
import { checkGatewayFile, formatProblems, formatWarnings, readGatewayFile } from './gateway-file.ts';
import { hasSampleOrigin } from './sample-gateway.ts';

const file = await readGatewayFile();
const { problems, warnings } = file.ok ? checkGatewayFile(file.value) : { problems: file.refusal, warnings: [] };
if (warnings.length > 0) console.error(formatWarnings(warnings));
if (file.ok && hasSampleOrigin(file.value)) {
  console.error(formatWarnings(['origin is still the sample API, which exists only under "npm start"; set your own']));
}
if (problems.length > 0) {
  console.error(`gateway.config.ts is not valid:\n${formatProblems(problems)}`);
  process.exitCode = 1;
}
