import { Bell, Box, FileText, LayoutDashboard, PanelsTopLeft, Siren, type LucideIcon } from 'lucide-react'
import { useEffect, useId, useMemo, useState } from 'react'
import { can, useAlarms, useDesk, useIncidents, useMe, useThings } from '@/api'
import { useBoards } from '@/api/boards'
import { named, useLanguage, useT } from '@/i18n'
import { Dialog, fold, go, SearchBox } from '@/ui'
import { showKeys, useKeys, useSettled, type KeyActs } from '@/ui/rich'
import { screens } from './screens'

interface Found {
  key: string
  group: string
  icon: LucideIcon
  label: string
  hint?: string
  href: string
}

const EACH = 6

/** `g` and one of these goes there. */
const JUMPS: readonly [string, string][] = [
  ['o', '/ioc'], ['i', '/ioc/incidents'], ['b', '/ioc/boards'], ['s', '/ioc/shift'], ['a', '/ioc/alarms/figures'], ['f', '/ioc/panels'],
  ['w', '/work'], ['l', '/lead'], ['d', '/admin/devices'], ['r', '/admin/rules'],
]

/** Screens the person may open that have a name. */
function usePlaces(): { path: string; label: string }[] {
  const t = useT()
  const me = useMe()
  const lng = useLanguage()
  return useMemo(
    () => screens.flatMap(screen => {
      const label = screen.tab?.label ?? screen.rail?.label
      const may = screen.needs.length === 0 || screen.needs.some(p => can(me.data, p))
      return label && may && !screen.path.includes('$') ? [{ path: screen.path, label: t(label) }] : []
    }),
    [me.data, lng],
  )
}

function Search({ onClose }: { onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const [words, setWords] = useState('')
  const [at, setAt] = useState(0)
  // Enter was pressed before anything was found for these words.
  const [waits, setWaits] = useState(false)
  const id = useId()
  const typed = words.trim()
  const q = useSettled(typed)
  const asks = q.length >= 2
  const places = usePlaces()
  const things = useThings({ q, limit: EACH }, asks && can(me.data, 'context-read'))
  const cases = useDesk({ view: 'all', q, sort: 'opened' }, asks && can(me.data, 'case-read'))
  const incidents = useIncidents({ view: 'open', drill: false }, can(me.data, 'incident-read'))
  const alarms = useAlarms({ state: 'open', limit: 200 }, can(me.data, 'alarm-read'))
  const boards = useBoards()
  const found = useMemo<Found[]>(() => {
    const wanted = fold(typed)
    const fits = (...texts: (string | undefined | null)[]) => !wanted || fold(texts.filter(Boolean).join(' ')).includes(wanted)
    const some = <T,>(rows: readonly T[] | undefined, keep: (row: T) => boolean, make: (row: T) => Found) => (rows ?? []).filter(keep).slice(0, EACH).map(make)
    const all = [
      ...places.filter(p => fits(p.label, p.path)).slice(0, typed ? EACH : 30).map(p => ({ key: p.path, group: 'places', icon: PanelsTopLeft, label: p.label, hint: p.path, href: p.path })),
      ...some(boards.data?.pages.flatMap(p => p.items), b => fits(b.name), b => ({ key: b.id, group: 'boards', icon: LayoutDashboard, label: b.name, href: `/ioc/boards/${b.id}` })),
    ]
    if (typed.length < 2) return all
    // What the server found for other words must not be opened by these.
    const answered = q === typed
    return [
      ...all,
      ...some(incidents.data?.pages.flatMap(p => p.items), i => fits(i.code, i.title, i.place.area_name, i.kind_name, i.kind_name_en), i => ({ key: i.id, group: 'incidents', icon: Siren, label: i.title, hint: i.code, href: `/ioc/incidents?id=${encodeURIComponent(i.id)}` })),
      ...some(alarms.data?.items, a => fits(a.title, a.title_en, a.entity_name, a.area_name), a => ({ key: a.id, group: 'alarms', icon: Bell, label: named(lng, a.title, a.title_en), hint: a.entity_name, href: `/ioc?alarm=${encodeURIComponent(a.id)}` })),
      ...some(things.data?.items, () => answered, one => ({ key: one.id, group: 'things', icon: Box, label: one.name, ...(one.area_name ? { hint: one.area_name } : {}), href: `/ioc?thing=${encodeURIComponent(one.id)}` })),
      ...some(cases.data?.pages[0]?.items, () => answered, row => ({ key: row.id, group: 'cases', icon: FileText, label: row.text_short || row.category_name, hint: row.code, href: `/work/${row.id}` })),
    ]
  }, [typed, q, lng, places, things.data, cases.data, incidents.data, alarms.data, boards.data, me.data])
  useEffect(() => {
    setAt(0)
    setWaits(false)
  }, [typed])
  const here = Math.min(at, found.length - 1)
  useEffect(() => {
    // Newer browsers answer with a promise, which is no way to end an effect.
    void document.getElementById(`${id}-${here}`)?.scrollIntoView({ block: 'nearest' })
  }, [here, id])
  const open = (one: Found | undefined) => {
    if (!one) return
    onClose()
    go(one.href)
  }
  useEffect(() => {
    if (waits) open(found[here])
  }, [waits, found, here])
  const groups = [...new Set(found.map(one => one.group))]
  return (
    <div className="palette">
      <SearchBox
        label={t('staff:keys.palette')}
        value={words}
        onChange={setWords}
        data-first
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={found[here] ? `${id}-${here}` : undefined}
        onKeyDown={event => {
          if (event.key === 'ArrowDown') setAt(Math.min(found.length - 1, here + 1))
          else if (event.key === 'ArrowUp') setAt(Math.max(0, here - 1))
          else if (event.key === 'Enter') setWaits(true)
          else return
          event.preventDefault()
        }}
      />
      <div role="listbox" id={`${id}-list`} aria-label={t('staff:keys.found')} className="palette-list">
        {groups.map(group => (
          <div key={group} role="group" aria-labelledby={`${id}-${group}`}>
            <span id={`${id}-${group}`}>{t(`staff:keys.group.${group}`)}</span>
            {found.map((one, i) => {
              if (one.group !== group) return null
              const Icon = one.icon
              return (
                <div key={`${group}-${one.key}`} id={`${id}-${i}`} role="option" aria-selected={i === here} className="palette-one" onClick={() => open(one)} onMouseMove={() => setAt(i)}>
                  <Icon size={18} aria-hidden />
                  <span className="clip">{one.label}</span>
                  {one.hint ? <small className="clip">{one.hint}</small> : null}
                </div>
              )
            })}
          </div>
        ))}
      </div>
      <p className="small quiet" role="status">{found.length === 0 ? t('staff:keys.nothing') : t('staff:keys.hint')}</p>
    </div>
  )
}

/** Keys that hold on every screen of staff: the palette, the list of keys, and jumps. */
export function EveryKey() {
  const t = useT()
  const [open, setOpen] = useState(false)
  const places = usePlaces()
  const jumps: KeyActs = Object.fromEntries(JUMPS.flatMap(([key, path]) => {
    const place = places.find(one => one.path === path)
    return place ? [[`g ${key}`, { label: place.label, run: () => go(path) }]] : []
  }))
  const search = () => setOpen(true)
  useKeys(t('staff:keys.everywhere'), { 'Ctrl+k': { label: t('staff:keys.palette'), run: search, always: true }, '/': { run: search }, '?': { label: t('staff:keys.title'), run: showKeys }, ...jumps })
  return (
    <Dialog open={open} onClose={() => setOpen(false)} title={t('staff:keys.palette')}>
      <Search onClose={() => setOpen(false)} />
    </Dialog>
  )
}
