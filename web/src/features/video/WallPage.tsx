import { Cctv, ExternalLink, MonitorPlay, X } from 'lucide-react'
import { useCallback, useEffect, useMemo, useState } from 'react'
import { useCamera, useCameraBoard, useCameraCatalogue, useCameras, useCommunes, useLive, useMe, type CameraRow } from '@/api'
import { useT } from '@/i18n'
import { CityMap, type MapPoint } from '@/map'
import { Button, cx, Empty, Failed, Fence, Figure, go, Loading, SearchBox, Segments, Select, useTitle } from '@/ui'
import { useSearch } from '@/ui/rich'
import { useQueryClient } from '@tanstack/react-query'
import { fans, Live, StateBadge, useWords, WhyDialog } from './parts'
import './video.css'

const LAYOUTS = ['1', '4', '9'] as const
type Layout = (typeof LAYOUTS)[number]
const NONE: readonly never[] = []

function Tile({ id, place, chosen, reason, onChoose, onClear }: { id: string | undefined; place: number; chosen: boolean; reason: string; onChoose: () => void; onClear: () => void }) {
  const t = useT()
  const camera = useCamera(id)
  const c = camera.data
  return (
    <section className={cx('cam-tile', chosen && 'chosen')} aria-label={t('video:wall.place', { n: place + 1, name: c?.name ?? t('video:wall.empty') })} onPointerDown={onChoose}>
      {id ? (
        <>
          <header className="cam-head">
            <button type="button" className="cam-name clip" onClick={onChoose} aria-pressed={chosen}>{c ? c.name : '…'}</button>
            {c ? <StateBadge camera={c} /> : null}
            {c ? <a className="btn btn-quiet btn-small btn-icon" href={`/ioc/cameras/${c.id}`}><ExternalLink size={16} aria-hidden /><span className="visually-hidden">{t('video:open', { name: c.name })}</span></a> : null}
            <Button look="quiet" size="small" iconOnly icon={<X size={16} aria-hidden />} onClick={onClear}>{t('video:wall.clear', { n: place + 1 })}</Button>
          </header>
          {c ? <Fence><Live camera={c.id} masks={c.unmasked ? [] : c.masks} label={t('video:live.label', { name: c.name })} reason={reason} /></Fence> : camera.error ? <Failed error={camera.error} /> : null}
        </>
      ) : (
        <button type="button" className="cam-empty" onClick={onChoose} aria-pressed={chosen}><Cctv size={26} aria-hidden />{t('video:wall.pick', { n: place + 1 })}</button>
      )}
    </section>
  )
}

function Row({ camera, shown, onOpen }: { camera: CameraRow; shown: boolean; onOpen: () => void }) {
  const t = useT()
  const words = useWords()
  return (
    <li>
      <button type="button" className={cx('cam-row', shown && 'chosen')} onClick={onOpen} disabled={!camera.active}>
        <span className="cam-row-top"><strong className="clip">{camera.name}</strong><StateBadge camera={camera} /></span>
        <span className="clip small quiet">{[camera.code, camera.address, words.purpose(camera.purpose)].filter(Boolean).join(' · ')}</span>
        <span className="small quiet">{[camera.recording ? t('video:recording') : '', camera.masked ? t('video:masked') : '', camera.viewers ? t('video:viewers', { n: camera.viewers }) : ''].filter(Boolean).join(' · ')}</span>
      </button>
    </li>
  )
}

/** Cameras to be watched: a list, up to nine live pictures, or the map of what they see. */
export default function WallPage() {
  const t = useT()
  useTitle(t('video:title'))
  const me = useMe()
  const client = useQueryClient()
  const [search, setSearch] = useSearch()
  const [words, setWords] = useState('')
  const [chosen, setChosen] = useState(0)
  const catalogue = useCameraCatalogue()
  const board = useCameraBoard()
  const cameras = useCameras({ q: words.trim() || undefined, state: search['state'] })
  const communes = useCommunes(me.data?.home.code)
  const [why, setWhy] = useState<string>()
  const layout: Layout = LAYOUTS.find(l => l === search['n']) ?? '4'
  const many = Number(layout)
  const map = search['map'] === '1'
  const ids = useMemo(() => (search['c'] ?? '').split(','), [search])
  const items = useMemo(() => cameras.data?.pages.flatMap(page => page.items) ?? NONE, [cameras.data])
  const points = useMemo<MapPoint[]>(() => items.flatMap(c => (c.location ? [{ id: c.id, ...c.location, mark: c.state === 'fine' ? ('ok' as const) : c.state === 'unknown' ? ('info' as const) : ('medium' as const) }] : [])), [items])
  const areas = useMemo(() => fans(items), [items])
  useLive(['camera-health-changed', 'camera-changed', 'hello', 'reset'], () => {
    for (const key of ['cameras', 'camera-board', 'camera']) void client.invalidateQueries({ queryKey: [key] })
  })
  const put = useCallback((place: number, id: string) => {
    const now = Array.from({ length: Math.max(9, ids.length) }, (_, n) => (ids[n] === id ? '' : ids[n] ?? ''))
    now[place] = id
    setSearch({ c: now.join(',').replace(/,+$/, '') || undefined })
  }, [ids, setSearch])
  const open = (id: string) => {
    const free = Array.from({ length: many }, (_, n) => n).find(n => !ids[n])
    const place = ids[chosen] && free !== undefined ? free : chosen
    put(place, id)
    setChosen(place)
    if (map) setSearch({ map: undefined })
  }
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement
      if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return
      const side = Math.sqrt(many)
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -side, ArrowDown: side }[event.key]
      if (LAYOUTS.some(l => l === event.key)) {
        setSearch({ n: event.key === '4' ? undefined : event.key })
        setChosen(0)
      } else if (step !== undefined && !target.closest('.cam-list')) {
        event.preventDefault()
        setChosen(now => (now + step >= 0 && now + step < many ? now + step : now))
      } else if (event.key === 'Enter' && !target.closest('button, a') && ids[chosen]) go(`/ioc/cameras/${ids[chosen]}`)
      else if (event.key === 'Delete' && ids[chosen]) put(chosen, '')
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [many, ids, chosen, put, setSearch])
  const asks = catalogue.data?.policy?.live_reason === true
  const b = board.data
  return (
    <div className="cam-wall-page">
      <header className="cam-strip">
        <h1>{t('video:title')}</h1>
        {b ? (
          <div className="cam-figures" role="group" tabIndex={0} aria-label={t('video:figures')}>
            <Figure value={b.cameras} label={t('video:board.cameras')} />
            <Figure value={b.cameras - (b.states['fine'] ?? 0) - (b.states['unknown'] ?? 0)} label={t('video:board.faulty')} />
            <Figure value={b.recording} label={t('video:board.recording')} />
            <Figure value={b.viewers} label={t('video:board.viewers')} />
          </div>
        ) : null}
        <Segments label={t('video:wall.layout')} value={layout} onChange={n => setSearch({ n: n === '4' ? undefined : n })} options={LAYOUTS.map(l => ({ value: l, label: l }))} />
        <Button look="secondary" size="small" aria-pressed={map} onClick={() => setSearch({ map: map ? undefined : '1' })}>{t(map ? 'video:wall.pictures' : 'video:wall.map')}</Button>
      </header>
      <aside className="cam-left" aria-label={t('video:list')}>
        <div className="cam-filters">
          <SearchBox label={t('video:search')} value={words} onChange={setWords} />
          <Select aria-label={t('video:state.label')} value={search['state'] ?? ''} onChange={e => setSearch({ state: e.target.value || undefined })}>
            <option value="">{t('video:state.all')}</option>
            <States />
          </Select>
        </div>
        <Fence>
          {cameras.data ? (
            items.length ? (
              <ul className="cam-list" tabIndex={0} aria-label={t('video:list')}>
                {items.map(c => <Row key={c.id} camera={c} shown={ids.slice(0, many).includes(c.id)} onOpen={() => open(c.id)} />)}
                {cameras.hasNextPage ? <li className="cam-pad"><Button look="secondary" wide busy={cameras.isFetchingNextPage} onClick={() => void cameras.fetchNextPage()}>{t('ui.more')}</Button></li> : null}
              </ul>
            ) : (
              <Empty icon={<Cctv size={30} aria-hidden />} title={t('video:none')}>{t('video:none_body')}</Empty>
            )
          ) : cameras.error ? (
            <Failed error={cameras.error} onRetry={() => void cameras.refetch()} />
          ) : (
            <Loading rows={5} />
          )}
        </Fence>
      </aside>
      {map ? (
        <div className="cam-map"><CityMap label={t('video:wall.map')} home={me.data?.home.code} communes={communes.data} points={points} fans={areas} cluster={points.length > 300} onPoint={open} /></div>
      ) : asks && why === undefined ? (
        <Empty icon={<MonitorPlay size={30} aria-hidden />} title={t('video:live.asks')} action={<Button onClick={() => setWhy('')}>{t('video:live.give')}</Button>} />
      ) : (
        <div className={`cam-wall cam-wall-${layout}`}>
          {Array.from({ length: many }, (_, n) => <Tile key={n} id={ids[n] || undefined} place={n} chosen={chosen === n} reason={why ?? ''} onChoose={() => setChosen(n)} onClear={() => put(n, '')} />)}
          <p className="cam-keys small quiet">{t('video:wall.keys')}</p>
        </div>
      )}
      {why === '' && asks ? <WhyDialog title={t('video:live.asks')} lead={t('video:logged')} button={t('video:live.give')} error={undefined} busy={false} onSend={setWhy} onClose={() => setWhy(undefined)} /> : null}
    </div>
  )
}

function States() {
  const words = useWords()
  const catalogue = useCameraCatalogue()
  return <>{['unknown', ...(catalogue.data?.states.map(s => s.code) ?? [])].map(code => <option key={code} value={code}>{words.state(code)}</option>)}</>
}
