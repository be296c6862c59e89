/** Maps. The engine is loaded when the first map is drawn, never before. */
import { LocateFixed, MapPin } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { useT } from '@/i18n'
import { Button, Fence, toast } from '@/ui'
import type { CityMapProps } from './types'

export type { CityMapProps, MapPoint, Mark } from './types'
export { boundsOf, centreOf, featureAt, type Bounds } from './shapes'

const Engine = lazy(() => import('./CityMap'))

export function CityMap(props: CityMapProps) {
  const t = useT()
  return (
    <Fence>
      <Suspense fallback={<div className="map-waiting" role="status">{t('map.loading')}</div>}>
        <Engine {...props} />
      </Suspense>
    </Fence>
  )
}

interface PickMapProps extends Pick<CityMapProps, 'home' | 'communes' | 'label' | 'flyTo' | 'points' | 'onPoint'> {
  /** The place under the pin, each time the map comes to rest. */
  onPick: (at: { lon: number; lat: number }) => void
  start?: { lon: number; lat: number } | undefined
}

/** Picks a place: the map moves under a fixed pin (finger, arrow keys, GPS or a commune chosen elsewhere through `flyTo`). */
export function PickMap({ onPick, start, flyTo, ...rest }: PickMapProps) {
  const t = useT()
  const [gps, setGps] = useState<{ lon: number; lat: number; zoom: number }>()
  const [busy, setBusy] = useState(false)
  const [moved, setMoved] = useState(false)
  // Whichever came last decides where to fly.
  const [seen, setSeen] = useState(flyTo)
  const [target, setTarget] = useState(flyTo)
  if (flyTo !== seen) {
    setSeen(flyTo)
    setTarget(flyTo)
  }

  function findMe(): void {
    if (!('geolocation' in navigator)) return toast(t('map.no_gps'), { tone: 'bad' })
    setBusy(true)
    navigator.geolocation.getCurrentPosition(
      found => {
        setBusy(false)
        const at = { lon: found.coords.longitude, lat: found.coords.latitude, zoom: 13.5 }
        setGps(at)
        setTarget(at)
        onPick(at)
      },
      () => {
        setBusy(false)
        toast(t('map.no_gps'), { tone: 'bad' })
      },
      { enableHighAccuracy: true, timeout: 12_000, maximumAge: 30_000 },
    )
  }

  return (
    <div className="pick-map">
      <CityMap
        {...rest}
        bare
        view={start ? { ...start, zoom: 13.5 } : undefined}
        flyTo={target}
        onMove={(centre, zoom) => {
          // The first rest is the map's own opening view: that is no choice of the person's yet.
          if (zoom >= 11 || moved || gps) onPick(centre)
          setMoved(true)
        }}
      >
        <span className="pick-pin" aria-hidden>
          <MapPin size={46} strokeWidth={1.6} />
        </span>
        <Button className="pick-gps" look="secondary" busy={busy} icon={<LocateFixed size={18} aria-hidden />} onClick={findMe}>
          {t('map.my_place')}
        </Button>
      </CityMap>
    </div>
  )
}
