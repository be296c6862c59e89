import { useQueryClient } from '@tanstack/react-query'
import { Calculator, ChartNoAxesCombined, FileText, Printer } from 'lucide-react'
import { useMemo } from 'react'
import { briefingAddress, can, useCommunes, useCompute, useLive, useMe, useScorecard, useSets, type Indicator, type ScoreGroup, type Scorecard, type Standing } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, cx, Empty, Failed, fold, format, LinkButton, Loading, Note, PageHeader, SearchBox, Select, toast, toastError, useTitle } from '@/ui'
import { Spark, useSearch } from '@/ui/rich'
import { Briefing } from './Briefing'
import { StandingBadge, StandingIcon, STANDING_TONE, STANDINGS, StatedText, valueText } from './parts'
import './oversight.css'

/** Years and the months of the last year, newest first. */
function periods(now: Date): { years: string[]; months: string[] } {
  const year = now.getFullYear()
  const months = Array.from({ length: 12 }, (_, i) => {
    const at = new Date(year, now.getMonth() - i, 1)
    return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, '0')}`
  })
  return { years: Array.from({ length: 7 }, (_, i) => String(year - i)), months }
}

function Bar({ summary }: { summary: ScoreGroup['summary'] }) {
  const t = useT()
  const counts = STANDINGS.map(s => [s, s === 'no-data' ? summary.no_data : summary[s]] as const)
  return (
    <span className="standing-bar" role="img" aria-label={counts.map(([s, n]) => `${t(`lead:standing.${s}`)}: ${n}`).join(', ')}>
      {counts.map(([s, n]) => (n > 0 ? <i key={s} className={cx(`tone-${STANDING_TONE[s]}`, s)} style={{ flexGrow: n }} /> : null))}
    </span>
  )
}

function Row({ indicator, href }: { indicator: Indicator; href: string }) {
  const t = useT()
  const lng = useLanguage()
  const shown = valueText(indicator.value, indicator.unit)
  return (
    <tr>
      <th scope="row">
        <a href={href}>{named(lng, indicator.name, indicator.name_en)}</a>
        <span className="indicator-meta">
          <span className="tnum">{indicator.code}</span>
          {indicator.formula_status === 'proposed' ? <span>{t('lead:formula.proposed')}</span> : null}
          {indicator.proxy ? <span>{t('lead:formula.proxy')}</span> : null}
          {indicator.waiting ? <Badge tone="waiting">{t('lead:waiting')}</Badge> : null}
        </span>
      </th>
      <td data-label={t('lead:col.base')}><StatedText stated={indicator.base} unit={indicator.unit} /></td>
      <td data-label={t('lead:col.forecast')}><StatedText stated={indicator.forecast} unit={indicator.unit} /></td>
      <td data-label={t('lead:col.target')}><StatedText stated={indicator.target} unit={indicator.unit} /></td>
      <td data-label={t('lead:col.value')} className="indicator-value">
        {shown === undefined ? <span className="quiet">{t('lead:no_value')}</span> : <a href={href} className={cx(indicator.value?.status === 'pending' && 'quiet')}><b className="tnum">{shown}</b></a>}
        {indicator.value ? <span className="small quiet">{t(`lead:status.${indicator.value.status}`)}</span> : null}
      </td>
      <td data-label={t('lead:col.standing')}><StandingBadge standing={indicator.standing} /></td>
      <td data-label={t('lead:col.trend')} className="trend">{indicator.trend.length > 1 ? <Spark values={indicator.trend.map(p => p.number)} summary={t('lead:trend', { from: format.number(indicator.trend[0]?.number), to: format.number(indicator.trend.at(-1)?.number) })} /> : <span className="quiet">–</span>}</td>
    </tr>
  )
}

function Card({ card, standing, words, onStanding }: { card: Scorecard; standing: Standing | undefined; words: string; onStanding: (s: Standing | undefined) => void }) {
  const t = useT()
  const lng = useLanguage()
  const wanted = fold(words.trim())
  const shows = (i: Indicator) => (!standing || i.standing === standing) && (!wanted || fold(`${i.code} ${i.name} ${i.name_en} ${i.lead}`).includes(wanted))
  const kept = new Set(card.groups.flatMap(g => g.indicators.filter(shows).map(() => g.code)))
  const under = (group: ScoreGroup) => [...kept].some(code => code === group.code || code.startsWith(`${group.code}.`))
  const groups = card.groups.filter(under)
  const tail = `?area=${encodeURIComponent(card.area)}&period=${encodeURIComponent(card.period)}`
  const columns = card.set.columns
  return (
    <>
      <div className="sums" role="group" aria-label={t('lead:sum.label')}>
        {STANDINGS.map(s => (
          <button key={s} type="button" className={cx('sum', `tone-${STANDING_TONE[s]}`)} aria-pressed={standing === s} onClick={() => onStanding(standing === s ? undefined : s)}>
            <b className="tnum">{s === 'no-data' ? card.summary.no_data : card.summary[s]}</b>
            <span><StandingIcon standing={s} size={17} /> {t(`lead:standing.${s}`)}</span>
          </button>
        ))}
        <div className="sum sum-all">
          <b className="tnum">{card.summary.achievement === undefined ? '–' : `${format.number(card.summary.achievement)} %`}</b>
          <span>{t('lead:sum.achievement', { n: card.summary.total - card.summary.no_data, total: card.summary.total })}</span>
        </div>
      </div>
      {card.summary.no_data > 0 ? <Note>{t('lead:sum.no_data_note', { n: card.summary.no_data })}</Note> : null}
      {groups.length === 0 ? (
        <Empty title={t('lead:none_filtered')} action={<Button look="secondary" onClick={() => onStanding(undefined)}>{t('ui.all')}</Button>}>{t('lead:none_filtered_body')}</Empty>
      ) : (
        <div className="scorecard">
          <table>
            <thead>
              <tr>
                <th scope="col">{t('lead:col.indicator')}</th>
                <th scope="col">{named(lng, columns.base, columns.base_en)}</th>
                <th scope="col">{named(lng, columns.forecast, columns.forecast_en)}</th>
                <th scope="col">{named(lng, columns.target, columns.target_en)}</th>
                <th scope="col">{t('lead:col.value_of', { period: card.period })}</th>
                <th scope="col">{t('lead:col.standing')}</th>
                <th scope="col">{t('lead:col.trend')}</th>
              </tr>
            </thead>
            {groups.map(group => (
              <tbody key={group.code}>
                <tr className={`group group-${group.level}`}>
                  <th colSpan={7} scope="rowgroup">
                    <span className="group-line">
                      <span>{named(lng, group.name, group.name_en)}</span>
                      <span className="group-sum"><Bar summary={group.summary} /><span className="small quiet tnum nowrap">{t('lead:sum.met_of', { met: group.summary.met, total: group.summary.total })}</span></span>
                    </span>
                  </th>
                </tr>
                {group.indicators.filter(shows).map(indicator => <Row key={indicator.code} indicator={indicator} href={`/lead/${encodeURIComponent(card.set.code)}/${encodeURIComponent(indicator.code)}${tail}`} />)}
              </tbody>
            ))}
          </table>
        </div>
      )}
    </>
  )
}

export default function ScorecardPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('lead:title'))
  const [search, setSearch] = useSearch()
  const me = useMe()
  const sets = useSets()
  const compute = useCompute()
  const client = useQueryClient()
  const home = me.data?.home
  const communes = useCommunes(home?.code)
  const set = search['set'] ?? sets.data?.[0]?.code
  const area = search['area'] ?? home?.code
  const choices = useMemo(() => periods(new Date()), [])
  const period = search['period'] ?? choices.years[0]
  const card = useScorecard({ ...(set ? { set } : {}), ...(area ? { area } : {}), ...(period ? { period } : {}) })
  const standing = STANDINGS.find(s => s === search['standing'])
  const places = useMemo(() => (communes.data?.features ?? []).map(f => [String(f.properties?.['code']), String(f.properties?.['name'])] as const).toSorted((a, b) => a[1].localeCompare(b[1], 'vi')), [communes.data])
  useLive(['value-settled', 'value-reported', 'reset'], () => void client.invalidateQueries({ queryKey: ['scorecard'] }))
  const run = () => {
    if (set) compute.mutate(set, { onSuccess: r => toast(t('lead:computed', { changed: r.changed, unchanged: r.unchanged, empty: r.empty })), onError: toastError })
  }
  if (sets.data?.length === 0) return <Empty icon={<ChartNoAxesCombined size={30} aria-hidden />} title={t('lead:no_sets')}>{t('lead:no_sets_body')}</Empty>
  return (
    <div className="lead-page">
      <PageHeader
        title={t('lead:title')}
        lead={card.data ? `${named(lng, card.data.set.title, card.data.set.title_en)} · ${card.data.set.source_act}` : undefined}
        actions={
          <>
            {can(me.data, 'indicator-report') ? <Button look="secondary" busy={compute.isPending} icon={<Calculator size={18} aria-hidden />} onClick={run}>{t('lead:compute')}</Button> : null}
            {set && can(me.data, 'scorecard-read') ? <LinkButton look="secondary" href={briefingAddress({ set, ...(area ? { area } : {}), ...(period ? { period } : {}) }, lng)} download icon={<FileText size={18} aria-hidden />}>{t('lead:pdf')}</LinkButton> : null}
            <Button look="secondary" icon={<Printer size={18} aria-hidden />} onClick={() => print()}>{t('lead:print')}</Button>
          </>
        }
      />
      <div className="lead-tools no-print">
        <Select aria-label={t('lead:set')} value={set ?? ''} onChange={e => setSearch({ set: e.target.value, standing: undefined })}>
          {sets.data?.map(s => <option key={s.code} value={s.code}>{named(lng, s.title, s.title_en)}</option>)}
        </Select>
        <Select aria-label={t('lead:area')} value={area ?? ''} onChange={e => setSearch({ area: e.target.value === home?.code ? undefined : e.target.value })}>
          {home ? <option value={home.code}>{home.name}</option> : null}
          {places.map(([code, name]) => <option key={code} value={code}>{name}</option>)}
        </Select>
        <Select aria-label={t('lead:period')} value={period} onChange={e => setSearch({ period: e.target.value })}>
          <optgroup label={t('lead:years')}>{choices.years.map(y => <option key={y} value={y}>{y}</option>)}</optgroup>
          <optgroup label={t('lead:months')}>{choices.months.map(m => <option key={m} value={m}>{m.slice(5)}/{m.slice(0, 4)}</option>)}</optgroup>
        </Select>
        <SearchBox label={t('lead:search')} value={search['q'] ?? ''} onChange={q => setSearch({ q })} />
      </div>
      {card.data ? (
        <>
          <div className="screen-only stack"><Card card={card.data} standing={standing} words={search['q'] ?? ''} onStanding={s => setSearch({ standing: s })} /></div>
          <Briefing card={card.data} />
        </>
      ) : (card.error ?? sets.error) ? (
        <Failed error={card.error ?? sets.error} onRetry={() => { void sets.refetch(); void card.refetch() }} />
      ) : (
        <Loading rows={5} height="5rem" />
      )}
    </div>
  )
}
