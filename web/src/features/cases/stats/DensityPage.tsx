import { useMemo, useState } from 'react'
import { useCommunes, useMe } from '@/api/access'
import { reportType, useCaseTypes } from '@/api/cases'
import { useDensity, useHeat, type Density } from '@/api/openness'
import { named, useLanguage, useT } from '@/i18n'
import { CityMap } from '@/map'
import { Empty, Figure, format, Loaded, Note, PageHeader, Segments, Select, useTitle } from '@/ui'
import '../cases.css'

const DAYS = ['90', '365', '1095'] as const

/** How strongly a commune is coloured: its place among the others, so that one big town does not make all the rest pale. */
function strengths(data: Density): Record<string, number> {
  const rated = data.rows.filter(r => r.people)
  const value = (r: Density['rows'][number]) => (rated.length > 0 ? (r.per_thousand ?? undefined) : r.reports)
  const sorted = data.rows.map(value).filter(v => v !== undefined).sort((a, b) => a - b)
  return Object.fromEntries(
    data.rows.flatMap(r => {
      const v = value(r)
      return v === undefined || sorted.length === 0 ? [] : [[r.area, v === 0 ? 0.03 : 0.15 + 0.7 * (sorted.filter(s => s < v).length / Math.max(1, sorted.length - 1))]]
    }),
  )
}

/** Where reports come from, and where few do: a map and a table by commune, for a thousand people where that is known. */
export default function DensityPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('citizen:density.title'))
  const [layer, setLayer] = useState<'areas' | 'heat'>('areas')
  const [days, setDays] = useState<string>('365')
  const [category, setCategory] = useState('')
  const [chosen, setChosen] = useState<string>()
  const me = useMe()
  const home = me.data?.home.code
  const communes = useCommunes(home)
  const types = useCaseTypes()
  const from = useMemo(() => new Date(Math.floor(Date.now() / 86_400_000) * 86_400_000 - Number(days) * 86_400_000).toISOString(), [days])
  const query = { from, ...(category ? { category } : {}) }
  const density = useDensity(query)
  const heat = useHeat(query, layer === 'heat')
  const fill = useMemo(() => (density.data && layer === 'areas' ? strengths(density.data) : undefined), [density.data, layer])
  const kinds = reportType(types.data)?.categories ?? []
  return (
    <div className="wrap page">
      <PageHeader title={t('citizen:density.title')} lead={t('citizen:density.lead')} />
      <div className="desk-tools">
        <Segments label={t('citizen:density.layer')} value={layer} onChange={setLayer} options={[{ value: 'areas', label: t('citizen:density.areas') }, { value: 'heat', label: t('citizen:density.heat') }]} />
        <Select aria-label={t('citizen:report.category')} value={category} onChange={e => setCategory(e.target.value)}>
          <option value="">{t('citizen:density.all')}</option>
          {kinds.map(c => <option key={c.code} value={c.code}>{named(lng, c.name, c.name_en)}</option>)}
        </Select>
        <Select aria-label={t('citizen:stats.time')} value={days} onChange={e => setDays(e.target.value)}>
          {DAYS.map(d => <option key={d} value={d}>{t('citizen:stats.days', { n: d })}</option>)}
        </Select>
      </div>
      <div className="density-map">
        <CityMap label={t('citizen:density.map')} home={home} communes={communes.data} areaFill={fill} heat={layer === 'heat' ? heat.data : undefined} chosenArea={chosen} onArea={setChosen} cluster={false} />
      </div>
      <Loaded of={density} height="4rem" rows={6}>
        {data => {
          const total = data.rows.reduce((sum, row) => sum + row.reports, 0)
          const row = data.rows.find(r => r.area === chosen)
          return total === 0 ? <Empty title={t('citizen:stats.none')}>{t('citizen:stats.none_body')}</Empty> : (
            <>
              <div className="figures">
                <Figure value={format.number(total)} label={t('citizen:density.reports')} />
                <Figure value={data.per_thousand == null ? '–' : format.number(data.per_thousand, 2)} label={t('citizen:density.rate')} />
                <Figure value={format.number(data.rows.filter(r => r.reports === 0).length)} label={t('citizen:density.silent')} />
                {row ? <Figure value={row.per_thousand == null ? format.number(row.reports) : format.number(row.per_thousand, 2)} label={row.name} /> : null}
              </div>
              {data.sources.length === 0 ? <Note>{t('citizen:density.no_people')}</Note> : null}
              <div className="stats-table" tabIndex={0} role="region" aria-label={t('citizen:density.title')}>
                <table>
                  <thead><tr><th scope="col">{t('citizen:stats.group.area')}</th><th scope="col" aria-sort="descending">{t('citizen:density.reports')}</th><th scope="col">{t('citizen:density.people')}</th><th scope="col">{t('citizen:density.rate')}</th></tr></thead>
                  <tbody>
                    {[...data.rows].sort((a, b) => b.reports - a.reports).map(r => (
                      <tr key={r.area} className={r.area === chosen ? 'chosen' : undefined}>
                        <th scope="row">{r.name}</th>
                        <td>{format.number(r.reports)}</td>
                        <td>{r.people == null ? '–' : format.number(r.people)}</td>
                        <td>{r.per_thousand == null ? '–' : format.number(r.per_thousand, 2)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              <p className="small quiet">{t('citizen:density.how')} {data.sources.length > 0 ? t('citizen:density.source', { sources: data.sources.join('; ') }) : ''}</p>
            </>
          )
        }}
      </Loaded>
    </div>
  )
}
