import { useT } from '@/i18n'
import { boundsOf, type Bounds } from './shapes'
import vietnam from './vietnam.json'

const X = (lon: number) => (lon - 101.6) * 10
const Y = (lat: number) => (24 - lat) * 10.4

const OUTLINES = vietnam.provinces.map(province => ({
  code: province.code,
  d: province.rings.map(ring => 'M' + ring.map(([x, y]) => `${X(x ?? 0).toFixed(1)} ${Y(y ?? 0).toFixed(1)}`).join('L') + 'Z').join(''),
}))

/** About where a province lies; none for a code that is no province's. */
export function outlineBounds(code: string): Bounds | undefined {
  const province = vietnam.provinces.find(p => p.code === code)
  return province && boundsOf({ type: 'Feature', properties: {}, geometry: { type: 'MultiPolygon', coordinates: province.rings.map(ring => [ring]) } })
}

/** The whole country, with both archipelagos, in a corner of every map. */
export function VietnamInset({ home, large }: { home: string; large?: boolean }) {
  const t = useT()
  return (
    <figure className={large ? 'inset inset-large' : 'inset'}>
      <svg viewBox="0 0 184 202" role="img" aria-label={t('map.inset')}>
        {OUTLINES.map(province => (
          <path key={province.code} d={province.d} className={province.code === home ? 'inset-home' : 'inset-land'} />
        ))}
        {[...vietnam.islands['hoang-sa'], ...vietnam.islands['truong-sa']].map(([x, y]) => (
          <circle key={`${x} ${y}`} cx={X(x ?? 0)} cy={Y(y ?? 0)} r={0.75} className="inset-isle" />
        ))}
        <text x={X(112)} y={Y(18.1)} textAnchor="middle">{t('map.hoang_sa_1')}</text>
        <text x={X(112)} y={Y(18.1) + 11.5} textAnchor="middle">{t('map.of_vietnam')}</text>
        <text x={181} y={Y(6.3)} textAnchor="end">{t('map.truong_sa_1')}</text>
        <text x={181} y={Y(6.3) + 11.5} textAnchor="end">{t('map.of_vietnam')}</text>
      </svg>
    </figure>
  )
}
