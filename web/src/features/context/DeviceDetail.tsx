import { BatteryFull, BatteryLow, BatteryWarning, CircleCheck, CircleDashed, KeyRound, Trash2, WifiOff } from 'lucide-react'
import { useState } from 'react'
import { can, useChangeDevice, useDevice, useDeviceGroups, useMe, useProfiles, useRemoveDevice, useRenewSecret, type Device } from '@/api'
import { hasText, named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Check, Dialog, FailedNote, format, Note, toast, toastError } from '@/ui'
import { Tabs } from '@/ui/rich'
import { Commands } from './Commands'
import { Credentials } from './Credentials'
import { Flags } from './Flags'

export function StateBadge({ state }: { state: Device['state'] }) {
  const t = useT()
  const icon = state === 'ok' ? <CircleCheck size={14} aria-hidden /> : state === 'silent' ? <WifiOff size={14} aria-hidden /> : <CircleDashed size={14} aria-hidden />
  return <Badge tone={state === 'ok' ? 'good' : state === 'silent' ? 'high' : 'info'} icon={icon}>{t(`admin:devices.state.${state}`)}</Badge>
}

export function Battery({ charge, low }: { charge: number | undefined; low?: boolean | undefined }) {
  if (charge === undefined) return <span className="quiet">–</span>
  const Icon = low ? BatteryWarning : charge < 0.35 ? BatteryLow : BatteryFull
  return <span className={`battery tnum ${low ? 'due-late strong' : ''}`}><Icon size={18} aria-hidden /> {format.percent(charge)}</span>
}

/** The words of a fault, from its stable code. */
export function faultText(t: (key: string) => string, code: string): string {
  return hasText(`errors.${code}`) ? t(`errors.${code}`) : code
}

function clockText(t: (key: string, values?: Record<string, string>) => string, offset: number | undefined): string {
  if (offset === undefined) return t('admin:devices.clock_none')
  const seconds = Math.abs(offset)
  const span = seconds < 60 ? `${format.number(seconds, seconds < 10 ? 1 : 0)} s` : format.span(seconds / 60)
  return t(seconds < 2 ? 'admin:devices.clock_ok' : offset > 0 ? 'admin:devices.clock_ahead' : 'admin:devices.clock_behind', { span })
}

function Groups({ device }: { device: Device }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const groups = useDeviceGroups()
  const change = useChangeDevice(device.id)
  const [chosen, setChosen] = useState<string[]>()
  const title = (path: string) => { const g = groups.data?.items.find(g => g.path === path); return g ? named(lng, g.title, g.title_en) : path }
  const own = device.groups ?? []
  if (!chosen) {
    return (
      <span className="row">
        {own.length ? own.map(g => <Badge key={g}>{title(g)}</Badge>) : <span className="quiet">{t('admin:devices.no_groups')}</span>}
        {can(me.data, 'device-manage') && groups.data?.items.length ? <Button look="quiet" size="small" onClick={() => setChosen(own)}>{t('admin:devices.edit_groups')}</Button> : null}
      </span>
    )
  }
  return (
    <div className="stack-s">
      {groups.data?.items.map(g => (
        <Check key={g.path} checked={chosen.includes(g.path)} onChange={e => setChosen(e.target.checked ? [...chosen, g.path] : chosen.filter(c => c !== g.path))}>
          {named(lng, g.title, g.title_en)} <span className="code">{g.path}</span>
        </Check>
      ))}
      <FailedNote error={change.error} />
      <div className="row">
        <Button size="small" busy={change.isPending} onClick={() => change.mutate({ groups: chosen }, { onSuccess: () => { toast(t('admin:devices.saved')); setChosen(undefined) } })}>{t('admin:devices.save')}</Button>
        <Button size="small" look="quiet" onClick={() => setChosen(undefined)}>{t('ui.cancel')}</Button>
      </div>
    </div>
  )
}

function Life({ device }: { device: Device }) {
  const t = useT()
  const lng = useLanguage()
  const profile = useProfiles().data?.find(p => p.name === device.profile)
  const rows: [string, React.ReactNode][] = [
    ['id', <span className="code">{device.id}</span>],
    ['profile', profile ? named(lng, profile.title, profile.title_en) : device.profile],
    ['transport', device.transport?.toUpperCase()],
    ['entity', <span className="code">{device.entity}</span>],
    ['groups', <Groups device={device} />],
    ['last_seen', device.last_seen ? `${format.dateTime(device.last_seen)} (${format.ago(device.last_seen)})` : undefined],
    ['clock', device.last_seen ? clockText(t, device.clock_offset_s) : undefined],
    ['quality', device.last_seen ? <Flags flags={device.flags} good={t('admin:devices.good')} /> : undefined],
    ['messages', format.number(device.messages)],
    ['doubtful', format.number(device.doubtful)],
    ['errors', format.number(device.errors)],
    ['created', format.dateTime(device.created)],
  ]
  return (
    <div className="stack">
      <dl className="pairs">{rows.map(([key, value]) => <div key={key}><dt>{t(`admin:devices.${key}`)}</dt><dd className="tnum">{value ?? '–'}</dd></div>)}</dl>
      {device.last_error ? <Note tone="high">{faultText(t, device.last_error)} <span className="code">{device.last_error}</span> <span className="tnum small">{format.dateTime(device.last_error_at)}</span></Note> : null}
      {device.series?.length ? (
        <section className="stack-s">
          <h3>{t('admin:devices.series')}</h3>
          <div className="scroll-x">
            <table className="plain">
              <thead><tr><th>{t('admin:devices.attribute')}</th><th className="end">{t('admin:devices.value')}</th><th>{t('admin:devices.at')}</th><th>{t('admin:devices.same_since')}</th><th>{t('admin:devices.quality')}</th></tr></thead>
              <tbody>
                {device.series.map(s => (
                  <tr key={s.attribute}><td>{s.attribute}</td><td className="end tnum">{format.number(s.value, 2)}</td><td className="tnum">{format.ago(s.at)}</td><td className="tnum">{format.ago(s.same_since)}</td><td><Flags flags={s.flags} good={t('admin:devices.good')} /></td></tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      ) : null}
    </div>
  )
}

/** A device: how it is doing, what it was told, and what it signs in with. */
export function DeviceDetail({ device: listed, onSecret, onClose }: { device: Device; onSecret: (secret: string) => void; onClose: () => void }) {
  const t = useT()
  const me = useMe()
  const device = useDevice(listed.id).data ?? listed
  const renew = useRenewSecret()
  const remove = useRemoveDevice()
  const [sure, setSure] = useState(false)
  const manages = can(me.data, 'device-manage')
  const tabs = [
    { id: 'life', label: t('admin:devices.life'), body: () => <Life device={device} /> },
    { id: 'commands', label: `${t('admin:devices.commands')}${device.commands ? ` (${device.commands})` : ''}`, body: () => <Commands device={device} /> },
    ...(manages ? [{ id: 'credentials', label: t('admin:devices.credentials'), body: () => <Credentials device={device} /> }] : []),
  ]
  return (
    <Dialog open wide onClose={onClose} title={device.name}>
      <div className="row"><StateBadge state={device.state} />{device.connected ? <Badge tone="good">{t('admin:devices.connected')}</Badge> : null}<Battery charge={device.battery} low={device.battery_low} /></div>
      <Tabs label={device.name} items={tabs} />
      {manages ? (
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
