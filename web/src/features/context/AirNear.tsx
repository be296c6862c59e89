import { Wind } from 'lucide-react'
import { useState } from 'react'
import type { LonLat, Thing } from '@/api'
import { useAqi } from '@/api/aqi'
import { useThings } from '@/api/context'
import { useT } from '@/i18n'
import { aqiLevel, Button, Card, Empty, format, Loaded } from '@/ui'
import './air.css'

/** The index that the platform keeps with a station, if it does. */
export function aqiOf(thing: Thing): number | undefined {
  const value = thing.attributes['vnAqi']?.value
  return typeof value === 'number' ? value : undefined
}

export function metres(a: LonLat, b: LonLat): number {
  const rad = Math.PI / 180
  const x = (b.lon - a.lon) * rad * Math.cos(((a.lat + b.lat) / 2) * rad)
  const y = (b.lat - a.lat) * rad
  return Math.hypot(x, y) * 6_371_000
}

/** The official scale with a needle where the value is. */
export function AqiScale({ aqi }: { aqi: number }) {
  const t = useT()
  const bounds = [0, 50, 100, 150, 200, 300, 500]
  const level = aqiLevel(aqi)
  const from = bounds[level - 1] ?? 0
  const to = bounds[level] ?? 500
  const at = ((level - 1 + Math.min(1, (aqi - from) / (to - from))) / 6) * 100
  return (
    <div className="aqi-scale" role="img" aria-label={t('aqi.scale', { aqi: Math.round(aqi), level: t(`aqi.level.${level}`) })}>
      {[1, 2, 3, 4, 5, 6].map(n => (
        <i key={n} style={{ background: `var(--aqi-${n})` }} />
      ))}
      <b style={{ left: `${at}%` }} />
    </div>
  )
}

function Now({ station, here, onAsk }: { station: Thing; here: LonLat | undefined; onAsk: () => void }) {
  const t = useT()
  const aqi = useAqi(station) ?? undefined
  const level = aqi === undefined ? undefined : aqiLevel(aqi)
  const pm25 = station.attributes['pm25']?.value
  return (
    <div className="stack">
      {aqi !== undefined && level ? (
        <>
          <div className="air-now" style={{ background: `var(--aqi-${level})`, color: `var(--aqi-${level}-ink)` }}>
            <b>{Math.round(aqi)}</b>
            <span>
              <strong>{t(`aqi.level.${level}`)}</strong>
              VN_AQI
            </span>
          </div>
          <AqiScale aqi={aqi} />
          <p>{t(`aqi.advice.${level}`)}</p>
        </>
      ) : (
        <div className="air-now air-unknown">
          <b>{typeof pm25 === 'number' ? format.number(pm25) : '–'}</b>
          <span>
            <strong>PM2.5</strong>
            {t('thing.no_index')}
          </span>
        </div>
      )}
      <p className="small quiet">
        {[station.name, here && station.location ? t('citizen:air.away', { km: format.number(metres(here, station.location) / 1000) }) : station.area_name, station.observed_at ? format.ago(station.observed_at) : undefined].filter(Boolean).join(' · ')}
      </p>
      {station.source ? <p className="small quiet">{t('citizen:air.source', { source: station.source })}</p> : null}
      {here ? null : (
        <Button look="secondary" onClick={onAsk}>{t('citizen:air.near_me')}</Button>
      )}
    </div>
  )
}

/** Air at the station nearest to the visitor; the freshest one until the place is known. */
export function AirNear() {
  const t = useT()
  const stations = useThings({ type: 'AirQualityObserved', limit: 100 })
  const [here, setHere] = useState<LonLat>()

  function ask(): void {
    navigator.geolocation?.getCurrentPosition(found => setHere({ lon: found.coords.longitude, lat: found.coords.latitude }), () => undefined, { timeout: 10_000, maximumAge: 300_000 })
  }

  return (
    <Card aria-label={t('citizen:air.title')}>
      <div className="section-title">
        <h2>{t('citizen:air.title')}</h2>
        <a href="/air">{t('citizen:air.all')}</a>
      </div>
      <Loaded of={stations} rows={1} height="9rem">
        {page => {
          const known = page.items.filter(thing => thing.observed_at !== undefined)
          const best = here
            ? known.filter(thing => thing.location).sort((a, b) => metres(here, a.location ?? here) - metres(here, b.location ?? here))[0]
            : [...known].sort((a, b) => Date.parse(b.observed_at ?? '') - Date.parse(a.observed_at ?? ''))[0]
          if (!best) return <Empty icon={<Wind size={30} aria-hidden />} title={t('citizen:air.none')}>{t('citizen:air.none_body')}</Empty>
          return <Now station={best} here={here} onAsk={ask} />
        }}
      </Loaded>
    </Card>
  )
}
