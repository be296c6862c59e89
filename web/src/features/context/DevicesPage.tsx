import { BatteryFull, BatteryLow, BatteryWarning, CircleCheck, CircleDashed, KeyRound, Plus, Trash2, WifiOff } from 'lucide-react'
import { useEffect, useMemo, useState, type FormEvent } from 'react'
import { can, useAddDevice, useDevices, useMe, useProfiles, useRemoveDevice, useRenewSecret, type Device } from '@/api'
import { hasText, useT } from '@/i18n'
import { Badge, Button, Dialog, Empty, FailedNote, Field, format, Input, Note, PageHeader, SearchBox, Segments, Select, toast, toastError, useNow, useTitle } from '@/ui'
import { PagedTable, useSearch, type Column } from '@/ui/rich'

const STATES = ['', 'ok', 'silent', 'never'] as const

function StateBadge({ state }: { state: Device['state'] }) {
  const t = useT()
  const icon = state === 'ok' ? <CircleCheck size={14} aria-hidden /> : state === 'silent' ? <WifiOff size={14} aria-hidden /> : <CircleDashed size={14} aria-hidden />
  return <Badge tone={state === 'ok' ? 'good' : state === 'silent' ? 'high' : 'info'} icon={icon}>{t(`admin:devices.state.${state}`)}</Badge>
}

function Battery({ level }: { level: number | undefined }) {
  if (level === undefined) return <span className="quiet">–</span>
  const Icon = level < 15 ? BatteryWarning : level < 35 ? BatteryLow : BatteryFull
  return <span className={`battery tnum ${level < 15 ? 'due-late strong' : ''}`}><Icon size={18} aria-hidden /> {format.number(level, 0)} %</span>
}

/** The words of a device's last refused message, from its stable code. */
function errorText(t: (key: string) => string, code: string): string {
  return hasText(`errors.${code}`) ? t(`errors.${code}`) : code
}

function Secret({ id, secret, onClose }: { id: string; secret: string; onClose: () => void }) {
  const t = useT()
  return (
    <Dialog open onClose={onClose} title={t('admin:devices.secret_title')}>
      <Note tone="high">{t('admin:once')}</Note>
      <dl className="pairs">
        <div><dt>{t('admin:devices.id')}</dt><dd><span className="code">{id}</span></dd></div>
        <div><dt>{t('admin:devices.secret')}</dt><dd><span className="code">{secret}</span></dd></div>
        <div><dt>{t('admin:devices.topic')}</dt><dd><span className="code">dev/{id}/up</span></dd></div>
      </dl>
      <div className="dialog-foot">
        <Button look="secondary" onClick={() => void navigator.clipboard.writeText(secret).then(() => toast(t('admin:copied')))}>{t('admin:copy')}</Button>
        <Button onClick={onClose}>{t('ui.close')}</Button>
      </div>
    </Dialog>
  )
}

function Add({ onDone, onClose }: { onDone: (id: string, secret: string) => void; onClose: () => void }) {
  const t = useT()
  const add = useAddDevice()
  const profiles = useProfiles()
  const [form, setForm] = useState({ id: '', name: '', profile: '', transport: 'mqtt', lon: '', lat: '' })
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm(before => ({ ...before, [key]: e.target.value }))
  const profile = form.profile || profiles.data?.[0]?.name || ''
  const place = form.lon.trim() && form.lat.trim() ? { lon: Number(form.lon.replace(',', '.')), lat: Number(form.lat.replace(',', '.')) } : undefined
  const send = (event: FormEvent) => {
    event.preventDefault()
    add.mutate({ id: form.id.trim(), name: form.name.trim(), profile, transport: form.transport === 'http' ? 'http' : 'mqtt', ...(place && Number.isFinite(place.lon) && Number.isFinite(place.lat) ? { location: place } : {}) }, { onSuccess: made => onDone(made.device.id, made.secret) })
  }
  return (
    <Dialog open onClose={onClose} title={t('admin:devices.add')}>
      <form className="stack" onSubmit={send}>
        <Field label={t('admin:devices.name')}>{ids => <Input {...ids} required maxLength={200} value={form.name} onChange={set('name')} />}</Field>
        <Field label={t('admin:devices.id')} hint={t('admin:devices.id_hint')}>{ids => <Input {...ids} required maxLength={100} value={form.id} onChange={set('id')} />}</Field>
        <Field label={t('admin:devices.profile')}>{ids => <Select {...ids} value={profile} onChange={set('profile')}>{profiles.data?.map(p => <option key={p.name} value={p.name}>{p.title || p.name}</option>)}</Select>}</Field>
        <Field label={t('admin:devices.transport')}>{ids => <Select {...ids} value={form.transport} onChange={set('transport')}><option value="mqtt">MQTT</option><option value="http">HTTP</option></Select>}</Field>
        <div className="two-up">
          <Field label={t('admin:devices.lon')}>{ids => <Input {...ids} inputMode="decimal" maxLength={20} value={form.lon} onChange={set('lon')} />}</Field>
          <Field label={t('admin:devices.lat')}>{ids => <Input {...ids} inputMode="decimal" maxLength={20} value={form.lat} onChange={set('lat')} />}</Field>
        </div>
        <FailedNote error={add.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={add.isPending} disabled={!form.id.trim() || !form.name.trim() || !profile}>{t('admin:devices.add')}</Button></div>
      </form>
    </Dialog>
  )
}

function Detail({ device, onSecret, onClose }: { device: Device; onSecret: (secret: string) => void; onClose: () => void }) {
  const t = useT()
  const me = useMe()
  const renew = useRenewSecret()
  const remove = useRemoveDevice()
  const [sure, setSure] = useState(false)
  const rows: [string, React.ReactNode][] = [
    ['id', <span className="code">{device.id}</span>],
    ['profile', device.profile],
    ['transport', device.transport?.toUpperCase()],
    ['entity', <span className="code">{device.entity}</span>],
    ['last_seen', `${format.dateTime(device.last_seen)}${device.last_seen ? ` (${format.ago(device.last_seen)})` : ''}`],
    ['messages', format.number(device.messages)],
    ['errors', format.number(device.errors)],
    ['created', format.dateTime(device.created)],
  ]
  return (
    <Dialog open onClose={onClose} title={device.name}>
      <div className="row"><StateBadge state={device.state} />{device.connected ? <Badge tone="good">{t('admin:devices.connected')}</Badge> : null}<Battery level={device.battery} /></div>
      <dl className="pairs">{rows.map(([key, value]) => <div key={key}><dt>{t(`admin:devices.${key}`)}</dt><dd className="tnum">{value ?? '–'}</dd></div>)}</dl>
      {device.last_error ? <Note tone="high">{errorText(t, device.last_error)} <span className="code">{device.last_error}</span> <span className="tnum small">{format.dateTime(device.last_error_at)}</span></Note> : null}
      {can(me.data, 'device-manage') ? (
        sure ? (
          <Note tone="critical">
            <p>{t('admin:devices.remove_sure')}</p>
            <div className="row" style={{ marginTop: 'var(--s3)' }}>
              <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate(device.id, { onSuccess: () => { toast(t('admin:devices.removed')); onClose() }, onError: toastError })}>{t('admin:devices.remove')}</Button>
              <Button look="secondary" onClick={() => setSure(false)}>{t('ui.cancel')}</Button>
            </div>
          </Note>
        ) : (
          <div className="dialog-foot">
            <Button look="quiet" icon={<Trash2 size={18} aria-hidden />} onClick={() => setSure(true)}>{t('admin:devices.remove')}</Button>
            <Button look="secondary" icon={<KeyRound size={18} aria-hidden />} busy={renew.isPending} onClick={() => renew.mutate(device.id, { onSuccess: made => onSecret(made.secret), onError: toastError })}>{t('admin:devices.renew')}</Button>
          </div>
        )
      ) : null}
    </Dialog>
  )
}

export default function DevicesPage() {
  const t = useT()
  useTitle(t('admin:devices.title'))
  const now = useNow()
  const me = useMe()
  const [search, setSearch] = useSearch()
  const [words, setWords] = useState(search['q'] ?? '')
  const [adding, setAdding] = useState(false)
  const [secret, setSecret] = useState<{ id: string; secret: string }>()
  const [open, setOpen] = useState<Device>()
  const state = STATES.find(s => s === search['state']) ?? ''
  const devices = useDevices({ ...(search['q'] ? { q: search['q'] } : {}), ...(state ? { state } : {}) })
  useEffect(() => {
    const timer = setTimeout(() => (search['q'] ?? '') !== words.trim() && setSearch({ q: words.trim() }), 250)
    return () => clearTimeout(timer)
  }, [words, search, setSearch])
  const columns = useMemo<Column<Device>[]>(
    () => [
      { id: 'name', header: t('admin:devices.name'), value: d => d.name, cell: d => <><strong className="clip" style={{ display: 'block' }} title={d.name}>{d.name}</strong><span className="code">{d.id}</span></>, width: 'minmax(11rem, 2fr)' },
      { id: 'state', header: t('admin:devices.state_title'), value: d => d.state, cell: d => <StateBadge state={d.state} />, width: '11rem' },
      { id: 'last_seen', header: t('admin:devices.last_seen'), value: d => d.last_seen ?? '', cell: d => <span className="tnum">{d.last_seen ? format.ago(d.last_seen, now) : '–'}</span>, width: '10rem' },
      { id: 'battery', header: t('admin:devices.battery'), value: d => d.battery, cell: d => <Battery level={d.battery} />, width: '7rem' },
      { id: 'errors', header: t('admin:devices.errors'), value: d => d.errors ?? 0, cell: d => (d.errors ? <span title={d.last_error ? errorText(t, d.last_error) : undefined} className="due-late strong tnum">{format.number(d.errors)}</span> : <span className="tnum">0</span>), width: '6rem', align: 'end' },
      { id: 'messages', header: t('admin:devices.messages'), value: d => d.messages ?? 0, cell: d => format.number(d.messages), width: '7rem', align: 'end' },
      { id: 'profile', header: t('admin:devices.profile'), value: d => d.profile, cell: d => <span className="small">{d.profile} · {d.transport?.toUpperCase()}</span>, width: 'minmax(9rem, 1fr)' },
    ],
    [t, now],
  )
  return (
    <>
      <PageHeader title={t('admin:devices.title')} lead={t('admin:devices.lead')} actions={can(me.data, 'device-manage') ? <Button icon={<Plus size={18} aria-hidden />} onClick={() => setAdding(true)}>{t('admin:devices.add')}</Button> : undefined} />
      <div className="tools">
        <SearchBox label={t('admin:devices.search')} value={words} onChange={setWords} />
        <Segments label={t('admin:devices.state_title')} value={state} onChange={s => setSearch({ state: s })} options={STATES.map(s => ({ value: s, label: s ? t(`admin:devices.state.${s}`) : t('ui.all') }))} />
      </div>
      <PagedTable pages={devices} label={t('admin:devices.title')} columns={columns} rowKey={d => d.id} onOpen={setOpen} rowHeight={64}><Empty title={t(search['q'] || state ? 'admin:none' : 'admin:devices.none')}>{t(search['q'] || state ? 'admin:none_body' : 'admin:devices.none_body')}</Empty></PagedTable>
      {open ? <Detail device={open} onClose={() => setOpen(undefined)} onSecret={s => { setSecret({ id: open.id, secret: s }); setOpen(undefined) }} /> : null}
      {adding ? <Add onClose={() => setAdding(false)} onDone={(id, s) => { setAdding(false); setSecret({ id, secret: s }) }} /> : null}
      {secret ? <Secret {...secret} onClose={() => setSecret(undefined)} /> : null}
    </>
  )
}
