// The service map: who calls whom.
import { el, svg, ask, plural } from './dom.js';

const ranges = { '15m': 'last 15 minutes', '1h': 'last hour', '6h': 'last 6 hours', '24h': 'last day', '168h': 'last week' };

/** map draws the map into view and returns a function that stops it. */
export async function map(view) {
  document.title = 'Map · clew';
  const pick = el('select', { 'aria-label': 'time range', onchange: () => draw() },
    Object.entries(ranges).map(([value, text]) => el('option', { value }, text)));
  pick.value = '1h';
  const body = el('div', {});
  const draw = async () => {
    try {
      const m = await ask('api/v1/servicemap?from=' + pick.value);
      body.replaceChildren(...(m.nodes.length ? [picture(m), reasons(m), edges(m)].filter(Boolean) : [el('p.quiet', {}, 'No service has sent anything in this time.')]));
    } catch (err) {
      body.replaceChildren(el('p.bad', {}, err.message));
    }
  };
  view.replaceChildren(el('h1', {}, 'Who calls whom'), el('div.tools', {}, pick), body);
  await draw();
  const timer = setInterval(draw, 30000);
  return () => clearInterval(timer);
}

const W = 226, H = 84, BOX = 178;

function picture(m) {
  const place = layout(m);
  const cols = Math.max(...[...place.values()].map(p => p.col)) + 1;
  const tall = Math.max(...[...place.values()].map(p => p.row)) + 1;
  const at = id => { const p = place.get(id); return { x: p.col * W + W / 2, y: p.row * H + H / 2 }; };
  const lines = m.edges.filter(e => place.has(e.source) && place.has(e.target)).map(e => {
    const a = at(e.source), b = at(e.target);
    const cls = ['path', 'edge', e.errors || e.health === 'down' ? 'bad' : e.health === 'degraded' ? 'warn' : '', e.evidence === 'logs' ? 'logs' : ''].filter(Boolean).join('.');
    const x1 = a.x + BOX / 2, x2 = b.x - BOX / 2, bend = b.x > a.x ? 30 : 90;
    return svg(cls, { d: `M${x1} ${a.y} C${x1 + bend} ${a.y} ${x2 - bend} ${b.y} ${x2} ${b.y}`, 'marker-end': 'url(#tip)' },
      svg('title', {}, `${e.source} → ${e.target}: ${e.calls} calls, ${e.errors} errors, p95 ${e.p95_ms.toFixed(1)} ms (${e.protocol})${because(e)}`));
  });
  const nodes = m.nodes.map(n => {
    const p = at(n.id);
    const shape = svg('rect', { x: p.x - BOX / 2, y: p.y - 22, width: BOX, height: 44, rx: n.type === 'service' ? 6 : 22 });
    const [name, what] = label(n);
    const known = n.evidence === 'spans' ? '' : '.' + n.evidence;
    return svg('g.node.' + n.health + known, {}, svg('title', {}, `${n.id} (${n.type}, ${n.health}): ${n.calls} calls, ${n.errors} errors${because(n)}`), shape,
      svg('text', { x: p.x, y: p.y - 2 }, name),
      svg('text.sub', { x: p.x, y: p.y + 13 }, [what, n.evidence === 'metrics' ? 'metrics only' : '', n.calls ? plural(n.calls, 'call') : '', n.errors ? plural(n.errors, 'error') : ''].filter(Boolean).join(' · ')));
  });
  const arrow = svg('marker', { id: 'tip', viewBox: '0 0 8 8', refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' },
    svg('path', { d: 'M0 0 L8 4 L0 8 z', fill: 'currentColor' }));
  return svg('svg.map', { viewBox: `0 0 ${cols * W} ${tall * H}`, role: 'img', 'aria-label': 'service map' }, svg('defs', {}, arrow), lines, nodes);
}

// because says why something is not well, a line each.
function because(of) {
  return (of.reasons || []).map(r => '\n' + (r.until ? 'was: ' : '') + r.text).join('');
}

// reasons lists why nodes are not well, and what was wrong and is over.
function reasons(m) {
  const rows = m.nodes.flatMap(n => (n.reasons || []).map(r => ({ n, r })));
  if (!rows.length) return null;
  const colour = { down: 'bad', degraded: 'warn', ok: 'quiet' };
  const when = t => (t ? new Date(t).toLocaleString() : '');
  return el('div', {}, el('h2', {}, 'Why'), el('table', {}, el('tr', {}, ['', 'is', 'since', 'because', ''].map(h => el('th', {}, h))),
    rows.map(({ n, r }) => el('tr', {}, el('td', {}, n.id), el('td.' + colour[r.health], {}, r.until ? 'was' : r.health),
      el('td.quiet', {}, when(r.since) + (r.until ? ' to ' + when(r.until) : '')), el('td', {}, r.text),
      el('td', {}, r.trace_id ? el('a', { href: '#/id/' + r.trace_id }, 'a trace') : r.link ? el('a', { href: r.link }, 'data') : '')))));
}

// label splits postgresql:catalog-db.shop.internal/catalog into what tells it
// from its like, cut in the middle, and what it is.
function label(n) {
  const [, system, rest] = n.type === 'service' ? [] : /^([^:/]+):(.+)$/.exec(n.id) || [];
  const name = rest || n.id, most = 24, end = 11;
  return [name.length > most ? name.slice(0, most - end - 1) + '…' + name.slice(-end) : name, system || (n.type === 'service' || n.type === n.id ? '' : n.type)];
}

// layout puts every node one column right of its furthest caller, as high as
// its callers stand; calls in a circle stop at the number of nodes.
function layout(m) {
  const col = new Map(m.nodes.map(n => [n.id, 0]));
  for (let pass = 0, moved = true; moved && pass < m.nodes.length; pass++) {
    moved = false;
    for (const e of m.edges) {
      if (e.source === e.target || !col.has(e.source) || !col.has(e.target)) continue;
      const want = Math.min(col.get(e.source) + 1, m.nodes.length - 1);
      if (col.get(e.target) < want && pass < 12) { col.set(e.target, want); moved = true; }
    }
  }
  const used = [...new Set(col.values())].sort((a, b) => a - b);
  const place = new Map();
  const height = n => {
    const rows = m.edges.filter(e => e.target === n.id && place.has(e.source)).map(e => place.get(e.source).row);
    return rows.length ? rows.reduce((a, b) => a + b) / rows.length : Infinity;
  };
  used.forEach((at, c) => m.nodes.filter(n => col.get(n.id) === at)
    .map(n => ({ id: n.id, calls: n.calls, height: height(n) }))
    .sort((a, b) => (a.height === b.height ? b.calls - a.calls : a.height - b.height))
    .forEach((n, row) => place.set(n.id, { col: c, row })));
  return place;
}

function edges(m) {
  const head = ['from', 'to', 'protocol', 'calls', 'errors', 'p50 ms', 'p95 ms', 'p99 ms', 'evidence', 'a trace'];
  return el('div', {}, el('h2', {}, 'Calls'), el('table', {}, el('tr', {}, head.map(h => el('th', {}, h))),
    m.edges.map(e => el('tr', {}, ...[e.source, e.target, e.protocol, e.calls].map(v => el('td', {}, String(v))),
      el('td' + (e.errors ? '.bad' : ''), {}, String(e.errors)), ...[e.p50_ms, e.p95_ms, e.p99_ms].map(v => el('td', {}, v.toFixed(1))),
      el('td.quiet', {}, e.evidence),
      el('td.mono', {}, (e.sample_trace_ids || []).slice(0, 1).map(id => el('a', { href: '#/id/' + id }, id.slice(0, 8))))))));
}
