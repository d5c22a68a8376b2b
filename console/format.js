// Numbers, money and times for the reader.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dateAndClock = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const whole = new Intl.NumberFormat();

/** A time in the reader's zone. Today's has no date. @param {number} ms */
export function time(ms) {
  const isToday = new Date(ms).toDateString() === new Date().toDateString();
  return (isToday ? clock : dateAndClock).format(ms);
}

/** @param {number} ms */
export function utc(ms) {
  return new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1000) return `${whole.format(Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {number} number */
export function count(number) {
  return whole.format(number);
}

/** `one order`, `2 orders`. @param {number} number @param {string} singular @param {string} [plural] */
export function counted(number, singular, plural = `${singular}s`) {
  return number === 1 ? `one ${singular}` : `${whole.format(number)} ${plural}`;
}

/** @param {number} amount @param {string} currency */
export function money(amount, currency) {
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(amount);
  } catch {
    return `${amount} ${currency}`;
  }
}

/** The beginning of an id, which is enough to tell it from others. @param {string} id */
export function short(id) {
  return id.slice(0, 8);
}

/** `OUT_OF_STOCK` as people say it. @param {string} code */
export function words(code) {
  const text = code.replaceAll("_", " ").toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `ReserveInventory` as people say it. @param {string} state */
export function spaced(state) {
  return state.replace(/(?<=[a-z])(?=[A-Z])/g, " ");
}
