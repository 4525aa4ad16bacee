/*
 * Durable Object namespaces that tell each call on their way: how many objects a request asks. What goes over the session of
 * a lease afterwards is no call of its own. Which object it is, and where it is to be made, is told too.
 */
import { OBJECT_BINDINGS } from '#durable-objects/object-table.ts';

type Namespaces = Readonly<Record<string, DurableObjectNamespace>>;

/** The object that is called. */
export interface CalledObject {
  readonly objectName: string | undefined;
  readonly locationHint: string | undefined;
}

/** The same namespaces; `onCall` gets the name of the binding. */
export function watchObjectCalls(env: object, onCall: (name: string, called: CalledObject) => void): Readonly<Record<string, unknown>> {
  const watch = (name: string) => {
    const namespace = (env as Namespaces)[name]!;
    return {
      idFromName: (text: string) => namespace.idFromName(text),
      get: (id: DurableObjectId, options?: DurableObjectNamespaceGetDurableObjectOptions) =>
        new Proxy(namespace.get(id, options) as unknown as Record<string, (...values: unknown[]) => unknown>, {
          get:
            (stub, method: string) =>
            (...values: unknown[]) => {
              onCall(name, { objectName: id.name, locationHint: options?.locationHint });
              return stub[method]!(...values);
            },
        }),
    };
  };
  return Object.fromEntries(OBJECT_BINDINGS.map((name) => [name, watch(name)]));
}
