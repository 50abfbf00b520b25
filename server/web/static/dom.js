// Small helpers around the DOM. Text is always set as text: what stands in a
// log line can never become markup.

/** el makes an element: el('a.quiet', {href}, 'text', child, ...). */
export function el(spec, props, ...children) {
  const [tag, ...classes] = spec.split('.');
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(' ');
  return fill(node, props, children);
}

/** svg makes an SVG element. */
export function svg(spec, props, ...children) {
  const [tag, ...classes] = spec.split('.');
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  if (classes.length) node.setAttribute('class', classes.join(' '));
  return fill(node, props, children);
}

function fill(node, props, children) {
  for (const [key, value] of Object.entries(props || {})) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.flat().filter(c => c !== null && c !== undefined));
  return node;
}

/** ask fetches JSON; an error carries the server's own sentence. */
export async function ask(path) {
  const res = await fetch(path, { headers: { Accept: 'application/json' } });
  const text = await res.text();
  let body = null;
  try { body = JSON.parse(text); } catch { /* told below */ }
  if (!res.ok) throw Object.assign(new Error((body && body.error) || text || res.statusText), { status: res.status });
  if (body === null) throw new Error('the answer of ' + path + ' is not JSON');
  return body;
}

/** duration writes nanoseconds for people. */
export function duration(ns) {
  for (const [unit, size] of [['s', 1e9], ['ms', 1e6], ['µs', 1e3]]) {
    if (Math.abs(ns) >= size) return (ns / size).toPrecision(3).replace(/\.?0+$/, m => m.includes('.') ? '' : m) + ' ' + unit;
  }
  return Math.round(ns) + ' ns';
}

/** nanos reads an RFC 3339 time into nanoseconds relative to base (ms), exactly. */
export function nanos(text, baseMs) {
  const ms = Date.parse(text.replace(/(\.\d{3})\d*/, '$1'));
  const frac = (text.match(/\.(\d+)/) || ['', ''])[1].padEnd(9, '0').slice(3, 9);
  return (ms - baseMs) * 1e6 + Number(frac);
}

/**
 * palette gives each name a colour that is far from its neighbours': steps of
 * the golden angle never come close to each other for long. Red is left to
 * errors.
 */
export function palette(names) {
  const at = new Map(names.map((n, i) => [n, i]));
  return name => `hsl(${28 + Math.round(122.2 * (at.get(name) ?? names.length)) % 310} 58% 48%)`;
}

/** plural writes a number with its noun. */
export function plural(n, noun) {
  return `${n.toLocaleString()} ${noun}${n === 1 ? '' : 's'}`;
}
