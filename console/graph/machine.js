// The state machine as a graph: its states and the transitions between them, from the definition.

/**
 * @typedef {{name: string, type: string, comment: string, branches: Machine[]}} State
 * @typedef {{from: string, to: string, kind: "next"|"choice"|"catch"}} Transition
 * @typedef {{start: string, states: State[], transitions: Transition[]}} Machine
 */

/** @type {WeakMap<object, Machine>} */
const known = new WeakMap();

/** The machine of a definition. The same definition is always the same machine. @param {any} definition @returns {Machine} */
export function machineOf(definition) {
  const machine = known.get(definition) ?? read(definition);
  known.set(definition, machine);
  return machine;
}

/** @param {any} definition @returns {Machine} */
function read(definition) {
  const states = [];
  /** @type {Map<string, Transition>} */
  const transitions = new Map();
  for (const [name, state] of Object.entries(/** @type {Record<string, any>} */ (definition.States))) {
    states.push({ name, type: state.Type, comment: state.Comment ?? "", branches: (state.Branches ?? []).map(read) });
    const lead = (/** @type {string|undefined} */ to, /** @type {Transition["kind"]} */ kind) => {
      if (to && !transitions.has(`${name}>${to}`)) transitions.set(`${name}>${to}`, { from: name, to, kind });
    };
    lead(state.Next, "next");
    for (const choice of state.Choices ?? []) lead(choice.Next, "choice");
    lead(state.Default, "choice");
    for (const handler of state.Catch ?? []) lead(handler.Next, "catch");
  }
  return { start: definition.StartAt, states, transitions: [...transitions.values()] };
}

/** A state wherever it is, in a branch too. @param {Machine} machine @param {string} name @returns {State|undefined} */
export function stateOf(machine, name) {
  for (const state of machine.states) {
    if (state.name === name) return state;
    for (const branch of state.branches) {
      const found = stateOf(branch, name);
      if (found) return found;
    }
  }
  return undefined;
}

/** The names of all states that call a function. @param {Machine} machine @returns {string[]} */
export function tasksOf(machine) {
  return machine.states.flatMap((state) => [...(state.type === "Task" ? [state.name] : []), ...state.branches.flatMap(tasksOf)]);
}
