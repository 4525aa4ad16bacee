/* What the npm package of workerd exports: among others, the path of the binary. */
declare module 'workerd' {
  const workerd: { readonly default: string };
  export = workerd;
}
