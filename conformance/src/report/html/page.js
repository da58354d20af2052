'use strict';
// Filters, search and keys; the page is complete without them.
(() => {
  const byId = id => document.getElementById(id);
  const form = byId('filters');
  const scenarios = [...document.querySelectorAll('.scenario')];
  const texts = new Map(scenarios.map(one => [one, searched(one)]));

  function searched(one) {
    const parts = [one.querySelector('summary'), ...one.querySelectorAll('.detail > .facts dd')];
    return parts.map(part => part.textContent).join(' ').toLowerCase();
  }

  function fits(one, words, verdict, profile, level) {
    const verdictFits = !verdict || (verdict === '!pass' ? one.dataset.verdict !== 'pass' : one.dataset.verdict === verdict);
    const group = one.parentElement.id.slice('profile-'.length);
    return verdictFits && (!profile || group === profile) && (!level || one.dataset.level === level)
      && words.every(word => texts.get(one).includes(word));
  }

  function apply() {
    const words = byId('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const [verdict, profile, level] = ['verdict', 'profile', 'level'].map(id => byId(id).value);
    let shown = 0;
    for (const one of scenarios) {
      one.hidden = !fits(one, words, verdict, profile, level);
      shown += one.hidden ? 0 : 1;
    }
    for (const group of document.querySelectorAll('.profile')) {
      group.hidden = !group.querySelector('.scenario:not([hidden])');
    }
    byId('shown').textContent = `${shown} of ${scenarios.length} shown`;
  }

  function reveal() {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { /* as it is */ }
    const one = id && byId(id);
    if (!one || !one.classList.contains('scenario')) return;
    if (one.hidden) { form.reset(); apply(); }
    one.open = true;
    one.scrollIntoView();
  }

  function step(by) {
    const rows = scenarios.filter(one => !one.hidden).map(one => one.querySelector('summary'));
    const at = rows.indexOf(document.activeElement);
    const next = rows[at < 0 && by < 0 ? rows.length - 1 : at + by];
    if (next) next.focus();
  }

  function key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const typing = event.target.matches('input, select');
    if (event.key === 'Escape') { form.reset(); apply(); document.activeElement.blur(); }
    else if (typing) return;
    else if (event.key === '/') { byId('search').focus(); event.preventDefault(); }
    else if (event.key === 'j') step(1);
    else if (event.key === 'k') step(-1);
  }

  if (form) {
    form.hidden = false;
    document.querySelectorAll('.keys').forEach(one => { one.hidden = false; });
    form.addEventListener('input', apply);
    form.addEventListener('submit', event => event.preventDefault());
    document.addEventListener('keydown', key);
    apply();
  }
  addEventListener('hashchange', reveal);
  reveal();
})();
