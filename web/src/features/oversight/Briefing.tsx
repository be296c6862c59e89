import type { Scorecard } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { format } from '@/ui'
import { STANDINGS, valueText } from './parts'

/** What fits on one sheet; the sheet says how many are left out. */
const ROWS = 18

/** The printed page: one sheet with the state, the sectors and what needs a decision. Not shown on the screen. */
export function Briefing({ card }: { card: Scorecard }) {
  const t = useT()
  const lng = useLanguage()
  const all = card.groups.flatMap(group => group.indicators)
  const decide = [...all.filter(i => i.standing === 'behind'), ...all.filter(i => i.standing === 'near')]
  const columns = card.set.columns
  return (
    <section className="briefing" aria-hidden>
      <h1>{named(lng, card.set.title, card.set.title_en)}</h1>
      <p>{t('lead:briefing.line', { area: card.area_name, period: card.period, date: format.date(Date.now()) })}</p>
      <p className="small">{card.set.source_act}</p>
      <div className="briefing-sum">
        {STANDINGS.map(s => <div key={s}><b>{s === 'no-data' ? card.summary.no_data : card.summary[s]}</b><span>{t(`lead:standing.${s}`)}</span></div>)}
        <div><b>{card.summary.total}</b><span>{t('lead:sum.total')}</span></div>
      </div>
      <table>
        <thead><tr><th>{t('lead:col.group')}</th>{STANDINGS.map(s => <th key={s} className="n">{t(`lead:standing.${s}`)}</th>)}</tr></thead>
        <tbody>
          {card.groups.filter(g => g.level <= 2).map(g => (
            <tr key={g.code} className={g.level === 1 ? 'top' : undefined}><td>{named(lng, g.name, g.name_en)}</td><td className="n">{g.summary.met}</td><td className="n">{g.summary.near}</td><td className="n">{g.summary.behind}</td><td className="n">{g.summary.no_data}</td></tr>
          ))}
        </tbody>
      </table>
      <h2>{t('lead:briefing.decide')}</h2>
      {decide.length === 0 ? <p>{t('lead:briefing.none')}</p> : (
        <table>
          <thead><tr><th>{t('lead:col.indicator')}</th><th className="n">{named(lng, columns.target, columns.target_en)}</th><th className="n">{t('lead:col.value')}</th><th>{t('lead:col.standing')}</th><th>{t('lead:col.lead')}</th></tr></thead>
          <tbody>
            {decide.slice(0, ROWS).map(i => <tr key={i.code}><td>{i.code} · {named(lng, i.name, i.name_en)}</td><td className="n">{i.target.text}</td><td className="n">{valueText(i.value, i.unit)}</td><td>{t(`lead:standing.${i.standing}`)}</td><td>{i.lead}</td></tr>)}
          </tbody>
        </table>
      )}
      {decide.length > ROWS ? <p className="small">{t('lead:briefing.more', { n: decide.length - ROWS })}</p> : null}
      <p className="small">{t('lead:briefing.foot', { n: card.summary.no_data })}</p>
    </section>
  )
}
