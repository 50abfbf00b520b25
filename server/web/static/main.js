// The page's routes: home, one ID's story, the map.
import { el, ask } from './dom.js';
import { story } from './story.js';
import { map } from './map.js';

const view = document.getElementById('view');
let stop = () => {};

document.getElementById('pull').addEventListener('submit', e => {
  e.preventDefault();
  const id = document.getElementById('id').value.trim();
  if (id) location.hash = '#/id/' + encodeURIComponent(id);
});

async function route() {
  stop();
  stop = () => {};
  const [, page, ...rest] = location.hash.split('/');
  const arg = rest.join('/'); // a header has slashes of its own
  try {
    if (page === 'id' && arg) {
      const id = decoded(arg);
      document.getElementById('id').value = id;
      view.replaceChildren(el('p.quiet', {}, 'pulling ' + id + ' ...'));
      view.replaceChildren(story(await ask('api/v1/correlate/' + encodeURIComponent(id))));
    } else if (page === 'map') {
      stop = await map(view);
    } else {
      stop = await home();
    }
  } catch (err) {
    view.replaceChildren(el('h1', {}, err.status === 404 ? 'Nothing found' : 'That did not work'), el('p.bad', {}, err.message));
  }
}

// decoded undoes escapes, of which a text that somebody pasted may have none.
function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

async function home() {
  const draw = async () => {
    const [st, health] = await Promise.all([ask('api/v1/status'), ask('api/v1/health').catch(e => ({ status: 'down', dependencies: [], error: e.message }))]);
    const card = (name, key) => el('div.card', {}, el('b', {}, (st.per_second[key] || 0).toFixed(1)), name + ' per second',
      el('div.quiet', {}, Math.round(st.total[key] || 0).toLocaleString() + ' since the start'));
    view.replaceChildren(...[
      el('h1', {}, 'Pull one ID, see everything'),
      el('div.cards', {}, card('logs', 'logs'), card('metric samples', 'metrics'), card('spans', 'traces'),
        el('div.card', {}, el('b.' + (health.status === 'ok' ? 'good' : 'bad'), {}, health.status), 'clew itself',
          el('div.quiet', {}, health.version ? 'version ' + health.version : health.error || ''))),
      st.sample_id && el('p', {}, 'One that came in just now: ',
        el('a.mono', { href: '#/id/' + encodeURIComponent(st.sample_id.id) }, st.sample_id.id), ` (${st.sample_id.kind}, ${st.sample_id.service})`),
      el('h2', {}, 'What clew needs'),
      el('table', {}, el('tr', {}, ...['', 'status', 'answers in', 'last error'].map(t => el('th', {}, t))),
        health.dependencies.map(d => el('tr', {}, el('td', {}, d.name), el('td.' + (d.status === 'ok' ? 'good' : 'bad'), {}, d.status),
          el('td', {}, d.response_time_ms.average.toFixed(1) + ' ms'), el('td', {}, d.last_error)))),
      el('h2', {}, 'Grafana data sources'),
      el('table', {}, ['Loki|', 'Prometheus|/prometheus', 'Tempo|/tempo', 'Jaeger|/jaeger', 'Zipkin|/zipkin'].map(s => {
        const [name, path] = s.split('|');
        return el('tr', {}, el('td', {}, name), el('td.mono', {}, location.origin + path));
      })),
    ].filter(Boolean));
  };
  await draw();
  const timer = setInterval(() => draw().catch(() => {}), 5000);
  return () => clearInterval(timer);
}

addEventListener('hashchange', route);
route();
