import { Wind } from 'lucide-react'
import { useAqis } from '@/api/aqis'
import { useThings, useThingTypes } from '@/api/context'
import { named, useLanguage, useT } from '@/i18n'
import { aqiLevel, Badge, Card, Empty, format, Loaded, PageHeader, useTitle } from '@/ui'
import './air.css'

/** Every air station with its readings: the page behind the figure on the portal. */
export default function AirPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('citizen:air.page'))
  const stations = useThings({ type: 'AirQualityObserved', limit: 200 })
  const types = useThingTypes()
  const aqis = useAqis(stations.data?.items ?? [])
  const attributes = types.data?.find(type => type.type === 'AirQualityObserved')?.attributes ?? []
  return (
    <div className="wrap page">
      <PageHeader title={t('citizen:air.page')} lead={t('citizen:air.page_lead')} />
      <div className="legend-aqi" aria-label={t('citizen:air.legend')}>
        {[1, 2, 3, 4, 5, 6].map(level => (
          <span key={level} className="aqi small" style={{ background: `var(--aqi-${level})`, color: `var(--aqi-${level}-ink)` }}>
            {t(`aqi.range.${level}`)} · {t(`aqi.level.${level}`)}
          </span>
        ))}
      </div>
      <div style={{ marginTop: 'var(--s5)' }}>
        <Loaded of={stations} height="9rem">
          {page =>
            page.items.length === 0 ? (
              <Empty icon={<Wind size={30} aria-hidden />} title={t('citizen:air.none')}>{t('citizen:air.none_body')}</Empty>
            ) : (
              <div className="stations">
                {page.items.map(station => {
                  const aqi = aqis.get(station.id)
                  const level = aqi === undefined ? undefined : aqiLevel(aqi)
                  return (
                    <Card key={station.id} tight className="station">
                      <span className="station-aqi" style={level ? { background: `var(--aqi-${level})`, color: `var(--aqi-${level}-ink)` } : { background: 'var(--sunken)' }}>{aqi === undefined ? '–' : Math.round(aqi)}</span>
                      <div>
                        <h2 style={{ fontSize: 'var(--size-m)' }}>{station.name}</h2>
                        <p className="small quiet">{[level ? t(`aqi.level.${level}`) : undefined, station.area_name, station.observed_at ? format.ago(station.observed_at) : undefined].filter(Boolean).join(' · ')}</p>
                        {station.state === 'silent' ? <Badge tone="info">{t('thing.silent')}</Badge> : null}
                      </div>
                      <dl>
                        {Object.entries(station.attributes)
                          .filter(([name, r]) => typeof r.value === 'number' && !/aqi/i.test(name))
                          .slice(0, 8)
                          .map(([name, r]) => {
                            const about = attributes.find(a => a.name === name)
                            return (
                              <div key={name}>
                                <dt>{about ? named(lng, about.title, about.title_en) : name}</dt>
                                <dd>
                                  {format.number(r.value as number)} <span className="quiet small">{about?.unit_text ?? ''}</span>
                                </dd>
                              </div>
                            )
                          })}
                        {station.source ? (
                          <div>
                            <dt>{t('thing.source')}</dt>
                            <dd className="small">{station.source}</dd>
                          </div>
                        ) : null}
                      </dl>
                    </Card>
                  )
                })}
              </div>
            )
          }
        </Loaded>
      </div>
    </div>
  )
}
