// What stands out in a story: who was waited for, when nothing happened, whose
// clocks disagree, what is missing, and what happened around.
import { el, duration, nanos } from './dom.js';

// most is how many lines of a kind are shown before the rest is folded away.
const most = 5;

/** insights draws what the answer tells beside its timeline. */
export function insights(s, base, start, colour) {
  const when = t => (nanos(t, base) < start ? '−' : '+') + duration(Math.abs(nanos(t, base) - start));
  const sections = [
    section('Waited for', waited(s), w => [named(w.service, colour), ` ${duration(w.ns)} · ${Math.round(100 * w.share)} %`]),
    section('Gaps', s.gaps, g => [el('b', {}, duration(g.duration_ns)), ` from ${when(g.from)}, after ${g.after}, before ${g.before}`]),
    section('Clocks', s.clock_skew, k => [named(k.service, colour), k.host ? ` on ${k.host}` : '',
      ` ${duration(Math.abs(k.offset_ns))} ${k.offset_ns < 0 ? 'behind' : 'ahead of'} ${k.relative_to}`]),
    section('Missing', s.missing, m => [m.text]),
    section('Nearby', s.nearby, e => [el('span.mono', {}, when(e.time)), ' ', named(e.service, colour), ' ' + e.text]),
  ].filter(Boolean);
  return sections.length ? el('div.insights', {}, sections) : null;
}

function section(title, items, line) {
  if (!items || !items.length) return null;
  const lines = items.map(i => el('li', {}, line(i)));
  const list = el('ul', {}, lines.slice(0, most));
  return el('section', {}, el('h3', {}, title), list,
    lines.length > most ? el('details', {}, el('summary', {}, `and ${lines.length - most} more`), el('ul', {}, lines.slice(most))) : null);
}

function named(service, colour) {
  const b = el('b', {}, service);
  b.style.color = colour(service);
  return b;
}

// waited sums the critical path up by service, the longest first.
function waited(s) {
  const by = new Map();
  let total = 0;
  for (const step of s.critical_path) {
    by.set(step.service, (by.get(step.service) || 0) + step.duration_ns);
    total += step.duration_ns;
  }
  return s.critical_path.length < 2 ? [] :
    [...by].map(([service, ns]) => ({ service, ns, share: ns / total })).sort((a, b) => b.ns - a.ns);
}

/** waits are the stretches in which each span was waited for, by its trace and ID. */
export function waits(s, base, start) {
  const out = new Map();
  for (const step of s.critical_path) {
    const key = step.trace_id + step.span_id;
    if (!out.has(key)) out.set(key, []);
    out.get(key).push({ at: nanos(step.from, base) - start, ns: step.duration_ns });
  }
  return out;
}
