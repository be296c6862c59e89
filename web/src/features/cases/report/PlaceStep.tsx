import { MapPin } from 'lucide-react'
import { useEffect, useMemo, useRef, useState } from 'react'
import type { LonLat } from '@/api'
import { ApiError } from '@/api/client'
import { useAreaSearch, useCommunes, useLocate, useMe } from '@/api/access'
import { useT } from '@/i18n'
import { boundsOf, centreOf, featureAt, PickMap } from '@/map'
import { Button, fold, SearchBox } from '@/ui'

/** Where it is: GPS, the map under the pin, or a commune by its new or old name. */
export default function PlaceStep({ place, camera, onPlace, onNext }: { place: LonLat | undefined; camera: LonLat | undefined; onPlace: (at: LonLat) => void; onNext: (name: string) => void }) {
  const t = useT()
  const me = useMe()
  const home = me.data?.home.code
  const communes = useCommunes(home)
  const [words, setWords] = useState('')
  const hits = useAreaSearch(words)
  const [fly, setFly] = useState<Parameters<typeof PickMap>[0]['flyTo']>()
  const where = useLocate(place)
  const asked = useRef(false)
  const [photoPlace, setPhotoPlace] = useState(false)

  useEffect(() => {
    // Ask for the position once, at the moment it is needed; who says no simply moves the map.
    if (asked.current || place) return
    asked.current = true
    const fromPhoto = () => {
      if (!camera) return
      onPlace(camera)
      setFly({ ...camera, zoom: 13.5 })
      setPhotoPlace(true)
    }
    if (!('geolocation' in navigator)) return fromPhoto()
    navigator.geolocation.getCurrentPosition(
      found => {
        const at = { lon: found.coords.longitude, lat: found.coords.latitude }
        onPlace(at)
        setFly({ ...at, zoom: 13.5 })
      },
      // No position from the phone: then from the photo, if its camera noted one.
      fromPhoto,
      { enableHighAccuracy: true, timeout: 10_000 },
    )
  }, [place, camera, onPlace])

  function toCommune(code: string): void {
    const shape = communes.data?.features.find(f => f.properties?.['code'] === code)
    if (!shape) return
    setWords('')
    setFly({ bounds: boundsOf(shape) })
    const centre = centreOf(shape)
    if (centre) onPlace({ lon: centre[0], lat: centre[1] })
  }

  const local = useMemo(() => {
    const wanted = fold(words.trim())
    if (wanted.length < 2) return []
    return (communes.data?.features ?? []).filter(f => fold(String(f.properties?.['name'] ?? '')).includes(wanted)).slice(0, 6).map(f => ({ code: String(f.properties?.['code']), name: String(f.properties?.['name']), note: '' }))
  }, [words, communes.data])
  const known = new Set(communes.data?.features.map(f => String(f.properties?.['code'])))
  // Old names lead to the communes of today.
  const older = (hits.data?.items ?? []).flatMap(hit => hit.current.filter(now => known.has(now.code) && now.code !== hit.code).map(now => ({ code: now.code, name: now.name, note: hit.name })))
  const found = [...local, ...older.filter(o => !local.some(l => l.code === o.code))].slice(0, 7)
  // The outlines on this device answer at once and without a network; the server has the last word.
  const here = useMemo(() => (place && communes.data ? featureAt(communes.data, place) : undefined), [place, communes.data])
  const name = where.data?.commune_name ?? (here ? String(here.properties?.['name'] ?? '') : '')
  const outside = place !== undefined && (where.error instanceof ApiError && where.error.status === 404 ? true : !where.data && communes.data !== undefined && !here)

  return (
    <div className="report-place">
      <div className="place-search">
        <SearchBox label={t('citizen:report.find_commune')} value={words} onChange={setWords} autoComplete="off" />
        {found.length > 0 ? (
          <ul className="place-hits">
            {found.map(hit => (
              <li key={`${hit.code}${hit.note}`}>
                <button type="button" onClick={() => toCommune(hit.code)}>
                  <MapPin size={16} aria-hidden />
                  <span>{hit.name}{hit.note ? <small>{t('citizen:report.was', { name: hit.note })}</small> : null}</span>
                </button>
              </li>
            ))}
          </ul>
        ) : null}
      </div>
      <div className="report-map">
        <PickMap label={t('citizen:report.map')} home={home} communes={communes.data} start={place} flyTo={fly} onPick={onPlace} />
      </div>
      <div className="place-bar">
        <p className="grow" role="status">
          {place ? (
            outside ? (
              <span className="field-error">{t('citizen:report.outside')}</span>
            ) : (
              <>
                <strong>{name || t('citizen:report.place_chosen')}</strong>
                <span className="small quiet"> {where.data?.province_name ?? ''}</span>
                {photoPlace ? <span className="small quiet"> · {t('citizen:report.from_photo')}</span> : null}
              </>
            )
          ) : (
            <span className="quiet">{t('citizen:report.move_map')}</span>
          )}
        </p>
        <Button disabled={!place || outside} onClick={() => onNext(name)} className="nowrap">{t('citizen:report.here')}</Button>
      </div>
    </div>
  )
}
