// One ID's story: everything that carries it, in order.
import { el, svg, duration, nanos, palette, plural } from './dom.js';
import { insights, waits } from './insight.js';

/** story draws the answer of /api/v1/correlate/{id}. */
export function story(s) {
  document.title = s.id + ' · clew';
  const base = Date.parse(s.range.from.replace(/(\.\d{3})\d*/, '$1'));
  const start = nanos(s.range.from, base);
  const total = Math.max(1, nanos(s.range.to, base) - start);
  const depth = depths(s.timeline);
  const colour = palette(s.services.map(v => v.name));
  const rows = el('div.story', {});
  const waited = waits(s, base, start);
  const kinds = { span: true, log: true, event: true, exemplar: true };
  const draw = () => rows.replaceChildren(...s.timeline.filter(t => kinds[t.type]).map(t => row(t, nanos(t.time, base) - start, total, depth, colour(t.service), waited.get(t.trace_id + t.span_id))));
  draw();
  const toggles = Object.keys(kinds).map(k => {
    const count = s.timeline.filter(t => t.type === k).length;
    const box = el('input', { type: 'checkbox', onchange: e => { kinds[k] = e.target.checked; draw(); } });
    box.checked = true;
    return count ? el('label', {}, box, ' ' + plural(count, k)) : null;
  });
  return el('section', {},
    el('h1', {}, el('span.quiet', {}, s.kind.replaceAll('_', ' ') + ' '), el('span.mono', {}, s.id)),
    el('p.quiet', {}, `${new Date(base).toLocaleString()} · ${duration(total)} · ${plural(s.services.length, 'service')} · ${plural(s.traces.length, 'trace')}`),
    s.warnings.map(w => el('p.warn', {}, w)),
    s.partial ? el('p.bad', {}, 'This is not the whole story; see the warnings above.') : null,
    s.truncated ? el('p.warn', {}, 'There is more than the limit shows.') : null,
    el('div.chips', {}, s.services.map(v => el('span.chip', {}, swatch(colour(v.name)), `${v.name} · ${plural(v.spans, 'span')}, ${plural(v.logs, 'log')}`,
      v.errors ? el('b.bad', {}, ' ' + plural(v.errors, 'error')) : null))),
    s.edges.length ? el('div.chips.quiet', {}, s.edges.map(e => el('span', {}, `${e.source} → ${e.target} ×${e.calls}${e.evidence === 'logs' ? ' (by logs)' : ''}`,
      e.errors ? el('b.bad', {}, ' ' + plural(e.errors, 'error')) : null))) : null,
    insights(s, base, start, colour),
    el('div.tools', {}, toggles),
    rows,
    el('h2', {}, 'IDs'),
    el('table', {}, s.ids.map(i => el('tr', {}, el('td', {}, i.kind),
      el('td.mono', {}, el('a', { href: '#/id/' + encodeURIComponent(i.id) }, i.id)), el('td.quiet', {}, i.via)))));
}

function swatch(colour) {
  const i = el('i', {});
  i.style.background = colour;
  return i;
}

// depths gives every span its distance from the root, for indentation.
function depths(timeline) {
  const parent = new Map(timeline.filter(t => t.type === 'span').map(t => [t.span_id, t.parent_span_id]));
  const out = new Map();
  for (const id of parent.keys()) {
    let d = 0;
    for (let p = parent.get(id); p && parent.has(p) && d < 40; p = parent.get(p)) d++;
    out.set(id, d);
  }
  return out;
}

function row(t, at, total, depth, colour, waited) {
  const indent = (depth.get(t.span_id) || 0) + (t.type === 'span' ? 0 : 1);
  const bad = t.status === 'error' || /^(error|fatal)/i.test(t.severity || '');
  const cls = ['button', 'row', t.type, bad ? 'error' : /^warn/i.test(t.severity || '') ? 'warning' : ''].filter(Boolean).join('.');
  const what = el('span.what', { title: t.text }, (t.type === 'span' ? '' : t.severity ? t.severity.toUpperCase() + ' ' : '') + t.text +
    (t.type === 'span' ? '  ' + duration(t.duration_ns || 0) : ''));
  what.style.paddingLeft = indent + 'em';
  const who = el('span.who', {}, t.service);
  who.style.color = colour;
  const node = el(cls, { type: 'button', 'aria-expanded': 'false', onclick: () => toggle(node, t) },
    el('span.when', {}, '+' + duration(at)), who, what, lane(t, at, total, colour, waited));
  return node;
}

// lane places a span as a bar, anything else as a mark, on the common axis.
// Where its trace waited for the span, the bar is underlined.
function lane(t, at, total, fill, waited) {
  const x = 1000 * at / total;
  const mark = t.type === 'span'
    ? svg('rect', { x, y: 3, width: Math.max(3, 1000 * (t.duration_ns || 0) / total), height: 10, rx: 2, fill })
    : svg('rect', { x: Math.min(996, x), y: 2, width: 4, height: 12, fill });
  const lines = t.type === 'span' ? (waited || []).map(w => svg('rect.waited', { x: 1000 * w.at / total, y: 14, width: Math.max(2, 1000 * w.ns / total), height: 2 })) : [];
  return svg('svg.lane', { viewBox: '0 0 1000 16', preserveAspectRatio: 'none' }, mark, lines);
}

function toggle(node, t) {
  if (node.nextSibling && node.nextSibling.classList.contains('detail')) {
    node.nextSibling.remove();
    node.setAttribute('aria-expanded', 'false');
    return;
  }
  node.setAttribute('aria-expanded', 'true');
  const facts = { time: t.time, trace_id: t.trace_id, span_id: t.span_id, parent_span_id: t.parent_span_id, status: t.status, severity: t.severity,
    clock: t.clock_offset_ns ? `${duration(Math.abs(t.clock_offset_ns))} ${t.clock_offset_ns < 0 ? 'behind' : 'ahead'}` : '', ...t.attributes };
  const table = (title, values) => {
    const entries = Object.entries(values || {}).filter(([, v]) => v !== '' && v !== undefined && v !== null);
    return entries.length ? el('table', {}, el('tr', {}, el('th', { colspan: 2 }, title)),
      entries.map(([k, v]) => el('tr', {}, el('td.quiet', {}, k), el('td.mono', {}, typeof v === 'string' ? v : JSON.stringify(v))))) : null;
  };
  node.after(el('div.detail', {}, el('pre', {}, t.text), table('fields', facts), table('resource', t.resource)));
}
