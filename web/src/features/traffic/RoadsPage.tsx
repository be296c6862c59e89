import { Trash2, Upload } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { can, useCloseRoad, useCommunes, useDropRoads, useImportRoads, useMe, useOpenRoad, useRoadClosures, useRoads, type RoadsSet, type RoadsSlot, type RoadsState } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { CityMap, PickMap } from '@/map'
import { Badge, Button, Card, Dialog, Empty, FailedNote, Field, Figure, format, Input, Loaded, Note, PageHeader, Select, toast, toastError, useTitle } from '@/ui'

const SLOTS: readonly RoadsSlot[] = ['network', 'register']

/** What is in force of one of the two sets, and whose it is. */
function SetCard({ slot, set, may }: { slot: RoadsSlot; set: RoadsSet | null | undefined; may: boolean }) {
  const t = useT()
  const drop = useDropRoads()
  const [asking, setAsking] = useState(false)
  return (
    <Card>
      <div className="stack-s">
        <div className="spread"><h2>{t(`roads:slot.${slot}`)}</h2>{set && may ? <Button look="quiet" size="small" icon={<Trash2 size={16} aria-hidden />} onClick={() => setAsking(true)}>{t('roads:drop')}<span className="visually-hidden"> {t(`roads:slot.${slot}`)}</span></Button> : null}</div>
        <p className="small quiet">{t(`roads:slot_lead.${slot}`)}</p>
        {!set ? <Empty title={t('roads:none')}>{t(`roads:none_body.${slot}`)}</Empty> : (
          <>
            <p><b>{set.source}</b> · {set.licence} · {t('roads:of_day', { day: format.date(set.taken_on) })}</p>
            <div className="figures">
              <Figure value={format.number(set.km, 0)} label={t('roads:km')} />
              <Figure value={format.number(set.taken.ways, 0)} label={t('roads:ways')} />
              <Figure value={format.number(set.pieces, 0)} label={t('roads:pieces')} />
              <Figure value={format.number(set.taken.bans, 0)} label={t('roads:bans')} />
              <Figure value={`${format.number(set.bytes / 1_048_576, 1)} MiB`} label={t('roads:memory')} />
            </div>
            <p className="small quiet">{t('roads:left', { ways: format.number(set.taken.ways_left, 0), bans: format.number(set.taken.bans_left + set.unclear, 0) })}</p>
            <p className="small quiet">{t('roads:by', { file: set.file, by: set.by, at: format.dateTime(set.at) })}</p>
          </>
        )}
      </div>
      {asking ? (
        <Dialog open onClose={() => setAsking(false)} title={t('roads:drop')}>
          <p>{t('roads:drop_ask')}</p>
          <div className="dialog-foot"><Button look="secondary" onClick={() => setAsking(false)}>{t('ui.cancel')}</Button><Button busy={drop.isPending} onClick={() => drop.mutate(slot, { onSuccess: () => setAsking(false), onError: toastError })}>{t('roads:drop')}</Button></div>
        </Dialog>
      ) : null}
    </Card>
  )
}

function ImportCard() {
  const t = useT()
  const send = useImportRoads()
  const [draft, setDraft] = useState({ slot: 'network' as RoadsSlot, source: '© OpenStreetMap contributors', licence: 'ODbL 1.0', taken_on: '' })
  const [file, setFile] = useState<File>()
  const set = (part: Partial<typeof draft>) => setDraft(before => ({ ...before, ...part }))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (file) send.mutate({ ...draft, file }, { onSuccess: () => toast(t('roads:taken')) })
  }
  return (
    <Card>
      <form className="stack" onSubmit={submit}>
        <h2>{t('roads:import')}</h2>
        <p className="small quiet">{t('roads:import_lead')}</p>
        <Field label={t('roads:file')} hint={t('roads:file_hint')}>{ids => <Input {...ids} type="file" required accept=".pbf,.osm,.xml,.json,.geojson" onChange={e => setFile(e.target.files?.[0])} />}</Field>
        <div className="two">
          <Field label={t('roads:becomes')}>{ids => <Select {...ids} value={draft.slot} onChange={e => set({ slot: e.target.value as RoadsSlot })}>{SLOTS.map(slot => <option key={slot} value={slot}>{t(`roads:slot.${slot}`)}</option>)}</Select>}</Field>
          <Field label={t('roads:day')}>{ids => <Input {...ids} type="date" required value={draft.taken_on} onChange={e => set({ taken_on: e.target.value })} />}</Field>
        </div>
        <div className="two">
          <Field label={t('roads:source')}>{ids => <Input {...ids} required maxLength={300} value={draft.source} onChange={e => set({ source: e.target.value })} />}</Field>
          <Field label={t('roads:licence')}>{ids => <Input {...ids} required maxLength={100} value={draft.licence} onChange={e => set({ licence: e.target.value })} />}</Field>
        </div>
        <FailedNote error={send.error} />
        <Button type="submit" icon={<Upload size={18} aria-hidden />} busy={send.isPending} disabled={!file}>{t('roads:send')}</Button>
      </form>
    </Card>
  )
}

/** A closure: the pin of the map on the road, why, and until when. */
function CloseDialog({ state, onClose }: { state: RoadsState; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const communes = useCommunes(me.data?.home.code)
  const close = useCloseRoad()
  const set = state.network ?? state.register
  const [place, setPlace] = useState<{ lon: number; lat: number }>()
  const [reason, setReason] = useState('')
  const [until, setUntil] = useState('')
  const [pass, setPass] = useState<string[]>([])
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (place) close.mutate({ line: [place], reason: reason.trim(), both: true, pass, ...(until ? { to: new Date(until).toISOString() } : {}) }, { onSuccess: onClose })
  }
  const start = set ? { lon: (set.bbox[0] + set.bbox[2]) / 2, lat: (set.bbox[1] + set.bbox[3]) / 2 } : undefined
  return (
    <Dialog open wide onClose={onClose} title={t('roads:close')}>
      <form className="stack" onSubmit={submit}>
        <p className="small quiet">{t('roads:close_lead')}</p>
        <div style={{ height: '18rem' }}><PickMap label={t('roads:close_map')} home={me.data?.home.code} communes={communes.data} start={start} onPick={setPlace} /></div>
        <Field label={t('roads:reason')}>{ids => <Input {...ids} required maxLength={500} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
        <div className="two">
          <Field label={t('roads:until')} hint={t('roads:until_hint')}>{ids => <Input {...ids} type="datetime-local" value={until} onChange={e => setUntil(e.target.value)} />}</Field>
          <Field label={t('roads:pass')} hint={t('roads:pass_hint')}>{ids => <Select {...ids} multiple size={4} style={{ height: 'auto', backgroundImage: 'none' }} value={pass} onChange={e => setPass([...e.target.selectedOptions].map(o => o.value))}>{state.vehicles.map(v => <option key={v.code} value={v.code}>{named(lng, v.name, v.name_en)}</option>)}</Select>}</Field>
        </div>
        <FailedNote error={close.error} />
        <div className="dialog-foot"><Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={close.isPending} disabled={!place}>{t('roads:close')}</Button></div>
      </form>
    </Dialog>
  )
}

function Closures({ state, may }: { state: RoadsState; may: boolean }) {
  const t = useT()
  const closures = useRoadClosures()
  const open = useOpenRoad()
  const [adding, setAdding] = useState(false)
  return (
    <Card>
      <div className="stack-s">
        <div className="spread"><h2>{t('roads:closures')}</h2>{may && (state.network ?? state.register) ? <Button look="secondary" size="small" onClick={() => setAdding(true)}>{t('roads:close')}</Button> : null}</div>
        <p className="small quiet">{t('roads:closures_lead')}</p>
        <Loaded of={closures}>
          {page => page.items.length === 0 ? <p className="small quiet">{t('roads:no_closures')}</p> : (
            <ul className="plain-list stack-s">
              {page.items.map(c => (
                <li key={c.id} className="spread">
                  <span><b>{c.reason}</b><br /><span className="small quiet">{t('roads:closed', { metres: format.number(c.metres, 0), from: format.dateTime(c.from), to: c.to ? format.dateTime(c.to) : t('roads:open_end'), by: c.by })}</span></span>
                  {may ? <Button look="secondary" size="small" onClick={() => open.mutate(c.id, { onError: toastError })}>{t('roads:open')}<span className="visually-hidden"> {c.reason}</span></Button> : null}
                </li>
              ))}
            </ul>
          )}
        </Loaded>
      </div>
      {adding ? <CloseDialog state={state} onClose={() => setAdding(false)} /> : null}
    </Card>
  )
}

function Said({ state }: { state: RoadsState }) {
  const t = useT()
  const lng = useLanguage()
  const rows = [...state.vehicles.map(v => ({ ...v, kind: 'vehicle' as const })), ...state.owners.map(o => ({ ...o, kind: 'owner' as const }))]
  return (
    <Card>
      <div className="stack-s">
        <h2>{t('roads:said')}</h2>
        <p className="small quiet">{t('roads:said_lead')}</p>
        <ul className="plain-list stack-s">
          {rows.map(row => (
            <li key={`${row.kind} ${row.code}`}>
              <span className="row wrap-row"><b>{named(lng, row.name, row.name_en)}</b> <span className="code small">{row.code}</span> <Badge tone={row.status === 'confirmed' ? 'good' : 'high'}>{t(`roads:status.${row.status}`)}</Badge></span>
              <span className="small quiet">{row.kind === 'vehicle' ? t('roads:speeds', { main: row.speed['primary'] ?? '–', lane: row.speed['residential'] ?? '–' }) : row.numbers.join(', ')} · {row.source_act}</span>
            </li>
          ))}
        </ul>
      </div>
    </Card>
  )
}

/** Roads: what is loaded and whose it is, closures, how vehicles go, who owns what. */
export default function RoadsPage() {
  const t = useT()
  useTitle(t('roads:title'))
  const me = useMe()
  const home = me.data?.home.code
  const communes = useCommunes(home)
  const roads = useRoads()
  const manages = can(me.data, 'traffic-manage')
  const handles = can(me.data, 'traffic-handle')
  return (
    <>
      <PageHeader title={t('roads:title')} lead={t('roads:lead')} />
      <Loaded of={roads}>
        {state => {
          const set = state.network ?? state.register
          return (
            <div className="stack">
              {set ? <div style={{ height: '22rem' }}><CityMap label={t('roads:map')} home={home} communes={communes.data} bare view={{ lon: (set.bbox[0] + set.bbox[2]) / 2, lat: (set.bbox[1] + set.bbox[3]) / 2, zoom: 13.2 }} /></div> : <Note tone="high">{t('roads:without')}</Note>}
              <SetCard slot="network" set={state.network} may={manages} />
              <SetCard slot="register" set={state.register} may={manages} />
              {manages ? <ImportCard /> : null}
              <Closures state={state} may={handles} />
              <Said state={state} />
            </div>
          )
        }}
      </Loaded>
    </>
  )
}
