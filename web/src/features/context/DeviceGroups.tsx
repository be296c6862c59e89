import { Plus, Trash2 } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { can, useBulk, useDeviceGroups, useDropGroup, useMe, usePutGroup, useProfiles, type DeviceGroupLife } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Dialog, Empty, FailedNote, Field, format, Input, Loaded, toast, toastError } from '@/ui'
import { CommandForm } from './Commands'

function Add({ onDone }: { onDone: () => void }) {
  const t = useT()
  const put = usePutGroup()
  const [form, setForm] = useState({ path: '', title: '', title_en: '', unit: '' })
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm(before => ({ ...before, [key]: e.target.value }))
  const send = (event: FormEvent) => {
    event.preventDefault()
    const unit = form.unit.trim()
    put.mutate({ path: form.path.trim(), title: form.title.trim(), title_en: form.title_en.trim(), ...(unit ? { unit } : {}) }, { onSuccess: () => { toast(t('admin:devices.saved')); onDone() } })
  }
  return (
    <form className="stack" onSubmit={send}>
      <div className="two-up">
        <Field label={t('admin:devices.group_title')}>{ids => <Input {...ids} required maxLength={100} value={form.title} onChange={set('title')} />}</Field>
        <Field label={t('admin:devices.group_title_en')}>{ids => <Input {...ids} maxLength={100} value={form.title_en} onChange={set('title_en')} />}</Field>
      </div>
      <Field label={t('admin:devices.group_path')} hint={t('admin:devices.group_path_hint')}>{ids => <Input {...ids} required maxLength={200} value={form.path} onChange={set('path')} />}</Field>
      <Field label={t('admin:devices.group_unit')} hint={t('admin:devices.group_unit_hint')}>{ids => <Input {...ids} maxLength={64} value={form.unit} onChange={set('unit')} />}</Field>
      <FailedNote error={put.error} />
      <div className="row"><Button type="submit" busy={put.isPending} disabled={!form.path.trim() || !form.title.trim()}>{t('admin:devices.save')}</Button><Button look="quiet" onClick={onDone}>{t('ui.cancel')}</Button></div>
    </form>
  )
}

function Command({ group, onDone }: { group: DeviceGroupLife; onDone: () => void }) {
  const t = useT()
  const bulk = useBulk()
  const profiles = useProfiles()
  // One name may be declared by several profiles; devices without it answer so in the results.
  const specs = [...new Map((profiles.data ?? []).flatMap(p => p.command ?? []).map(spec => [spec.name, spec])).values()]
  const [failed, setFailed] = useState<{ device: string; detail?: string }[]>([])
  if (specs.length === 0) return <p className="quiet">{t('admin:devices.no_commands')}</p>
  return (
    <div className="stack">
      <CommandForm
        specs={specs}
        busy={bulk.isPending}
        error={bulk.error}
        onSend={(command, parameters) => bulk.mutate({ group: group.path, action: { command: { command, parameters } } }, {
          onSuccess: done => {
            toast(t('admin:devices.group_done', { ok: done.items.length - done.failed, failed: done.failed }))
            setFailed(done.items.filter(i => !i.ok).slice(0, 20))
            if (done.failed === 0) onDone()
          },
        })}
      />
      {failed.length ? <ul>{failed.map(f => <li key={f.device}><span className="code">{f.device}</span> {f.detail}</li>)}</ul> : null}
    </div>
  )
}

/** Groups of devices: how each is doing, and what is done with all of one. */
export function DeviceGroups({ onChoose, onClose }: { onChoose: (path: string) => void; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const groups = useDeviceGroups()
  const drop = useDropGroup()
  const [adding, setAdding] = useState(false)
  const [telling, setTelling] = useState<string>()
  const manages = can(me.data, 'device-manage')
  return (
    <Dialog open wide onClose={onClose} title={t('admin:devices.groups')}>
      <p className="quiet">{t('admin:devices.groups_lead')}</p>
      <Loaded of={groups} rows={2}>
        {page => page.items.length === 0 && !adding ? <Empty title={t('admin:devices.groups_none')}>{t('admin:devices.groups_none_body')}</Empty> : (
          <ul className="commands">
            {page.items.map(g => (
              <li key={g.path} className="stack-s command" style={{ marginInlineStart: `calc(${g.path.split('/').length - 1} * var(--s5))` }}>
                <div className="spread">
                  <button type="button" className="link-like strong" onClick={() => onChoose(g.path)}>{named(lng, g.title, g.title_en)}</button>
                  <span className="code">{g.path}</span>
                </div>
                <div className="row">
                  <span className="tnum">{t('admin:devices.devices_count', { n: format.number(g.devices) })}</span>
                  {g.silent ? <Badge tone="high">{t('admin:devices.silent_count', { n: format.number(g.silent) })}</Badge> : null}
                  {g.doubtful ? <Badge tone="high">{t('admin:devices.doubtful_count', { n: format.number(g.doubtful) })}</Badge> : null}
                  {g.battery_low ? <Badge tone="high">{t('admin:devices.low_count', { n: format.number(g.battery_low) })}</Badge> : null}
                  {g.unit ? <span className="small quiet">{g.unit}</span> : null}
                </div>
                <div className="row">
                  {can(me.data, 'device-command') && g.devices ? <Button size="small" look="secondary" onClick={() => setTelling(telling === g.path ? undefined : g.path)}>{t('admin:devices.group_command')}</Button> : null}
                  {manages && g.devices === 0 ? <Button size="small" look="quiet" icon={<Trash2 size={16} aria-hidden />} onClick={() => drop.mutate(g.path, { onError: toastError })}>{t('admin:devices.drop_group')}</Button> : null}
                </div>
                {telling === g.path ? <Command group={g} onDone={() => setTelling(undefined)} /> : null}
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      {adding ? <Add onDone={() => setAdding(false)} /> : manages ? <div><Button look="secondary" icon={<Plus size={18} aria-hidden />} onClick={() => setAdding(true)}>{t('admin:devices.new_group')}</Button></div> : null}
    </Dialog>
  )
}
