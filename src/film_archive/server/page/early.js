// What was begun before anybody needed it; whoever then needs the very same takes what is coming, once.

const coming = new Map(); // name → promise

/** Begin `work` under a name; resolves as it does. */
export function begin(name, work) {
  const result = work();
  result.catch(() => {}); // whoever takes it is told
  coming.set(name, result);
  return result;
}

/** What was begun under a name, the first time that it is asked for; else null. */
export function take(name) {
  const result = coming.get(name) ?? null;
  coming.delete(name);
  return result;
}
