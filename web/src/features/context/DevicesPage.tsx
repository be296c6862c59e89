import { FileUp, FolderTree, Plus, TriangleAlert } from 'lucide-react'
import { useEffect, useMemo, useState, type FormEvent } from 'react'
import { can, useAddDevice, useDeviceGroups, useDevices, useMe, useProfiles, type Device } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Check, Dialog, Empty, FailedNote, Field, format, Input, Note, PageHeader, SearchBox, Segments, Select, toast, useNow, useTitle } from '@/ui'
import { PagedTable, useSearch, type Column } from '@/ui/rich'
import { Battery, DeviceDetail, faultText, StateBadge } from './DeviceDetail'
import { DeviceGroups } from './DeviceGroups'
import { ImportFile } from './ImportFile'

const STATES = ['', 'ok', 'silent', 'never'] as const

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
  const [grouping, setGrouping] = useState(false)
  const [importing, setImporting] = useState(false)
  const lng = useLanguage()
  const groups = useDeviceGroups()
  const state = STATES.find(s => s === search['state']) ?? ''
  const devices = useDevices({ ...(search['q'] ? { q: search['q'] } : {}), ...(state ? { state } : {}), ...(search['group'] ? { group: search['group'] } : {}), ...(search['doubtful'] ? { doubtful: 'true' } : {}) })
  useEffect(() => {
    const timer = setTimeout(() => (search['q'] ?? '') !== words.trim() && setSearch({ q: words.trim() }), 250)
    return () => clearTimeout(timer)
  }, [words, search, setSearch])
  const columns = useMemo<Column<Device>[]>(
    () => [
      { id: 'name', header: t('admin:devices.name'), value: d => d.name, cell: d => <><strong className="clip" style={{ display: 'block' }} title={d.name}>{d.name}</strong><span className="code">{d.id}</span></>, width: 'minmax(11rem, 2fr)' },
      { id: 'state', header: t('admin:devices.state_title'), value: d => d.state, cell: d => <span className="row" style={{ gap: 'var(--s1)', flexWrap: 'nowrap' }}><StateBadge state={d.state} />{d.flags ? <span className="due-late" title={t('admin:devices.doubtful')}><TriangleAlert size={16} aria-label={t('admin:devices.doubtful')} /></span> : null}</span>, width: '12rem' },
      { id: 'last_seen', header: t('admin:devices.last_seen'), value: d => d.last_seen ?? '', cell: d => <span className="tnum">{d.last_seen ? format.ago(d.last_seen, now) : '–'}</span>, width: '10rem' },
      { id: 'battery', header: t('admin:devices.battery'), value: d => d.battery, cell: d => <Battery charge={d.battery} low={d.battery_low} />, width: '7rem' },
      { id: 'errors', header: t('admin:devices.errors'), value: d => d.errors ?? 0, cell: d => (d.errors ? <span title={d.last_error ? faultText(t, d.last_error) : undefined} className="due-late strong tnum">{format.number(d.errors)}</span> : <span className="tnum">0</span>), width: '6rem', align: 'end' },
      { id: 'messages', header: t('admin:devices.messages'), value: d => d.messages ?? 0, cell: d => format.number(d.messages), width: '7rem', align: 'end' },
      { id: 'profile', header: t('admin:devices.profile'), value: d => d.profile, cell: d => <span className="small">{d.profile} · {d.transport?.toUpperCase()}</span>, width: 'minmax(9rem, 1fr)' },
    ],
    [t, now],
  )
  return (
    <>
      <PageHeader title={t('admin:devices.title')} lead={t('admin:devices.lead')} actions={
        <>
          <Button look="secondary" icon={<FolderTree size={18} aria-hidden />} onClick={() => setGrouping(true)}>{t('admin:devices.groups')}</Button>
          {can(me.data, 'context-write') ? <Button look="secondary" icon={<FileUp size={18} aria-hidden />} onClick={() => setImporting(true)}>{t('admin:devices.import')}</Button> : null}
          {can(me.data, 'device-manage') ? <Button icon={<Plus size={18} aria-hidden />} onClick={() => setAdding(true)}>{t('admin:devices.add')}</Button> : null}
        </>
      } />
      <div className="tools">
        <SearchBox label={t('admin:devices.search')} value={words} onChange={setWords} />
        <Segments label={t('admin:devices.state_title')} value={state} onChange={s => setSearch({ state: s })} options={STATES.map(s => ({ value: s, label: s ? t(`admin:devices.state.${s}`) : t('ui.all') }))} />
        {groups.data?.items.length ? (
          <Select aria-label={t('admin:devices.group')} value={search['group'] ?? ''} onChange={e => setSearch({ group: e.target.value })}>
            <option value="">{t('admin:devices.all_groups')}</option>
            {groups.data.items.map(g => <option key={g.path} value={g.path}>{'\u00a0\u00a0'.repeat(g.path.split('/').length - 1)}{named(lng, g.title, g.title_en)}</option>)}
          </Select>
        ) : null}
        <Check checked={Boolean(search['doubtful'])} onChange={e => setSearch({ doubtful: e.target.checked ? 'true' : '' })}>{t('admin:devices.doubtful_only')}</Check>
      </div>
      <PagedTable pages={devices} label={t('admin:devices.title')} columns={columns} rowKey={d => d.id} onOpen={setOpen} rowHeight={64}><Empty title={t(search['q'] || state || search['group'] || search['doubtful'] ? 'admin:none' : 'admin:devices.none')}>{t(search['q'] || state || search['group'] || search['doubtful'] ? 'admin:none_body' : 'admin:devices.none_body')}</Empty></PagedTable>
      {open ? <DeviceDetail key={open.id} device={open} onClose={() => setOpen(undefined)} onSecret={s => { setSecret({ id: open.id, secret: s }); setOpen(undefined) }} /> : null}
      {grouping ? <DeviceGroups onClose={() => setGrouping(false)} onChoose={path => { setSearch({ group: path }); setGrouping(false) }} /> : null}
      {importing ? <ImportFile onClose={() => setImporting(false)} /> : null}
      {adding ? <Add onClose={() => setAdding(false)} onDone={(id, s) => { setAdding(false); setSecret({ id, secret: s }) }} /> : null}
      {secret ? <Secret {...secret} onClose={() => setSecret(undefined)} /> : null}
    </>
  )
}
