import { Ban, Check as Done, CircleX, Clock, Hourglass, Send, SendHorizontal } from 'lucide-react'
import { useRef, useState, type FormEvent } from 'react'
import { can, useCancelCommand, useCommands, useMe, useProfiles, useSendCommand, type CommandParameter, type CommandSpec, type CommandState, type Device, type DeviceCommand } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Check, Empty, Failed, FailedNote, Field, format, Input, Loading, Note, Select, toast, toastError } from '@/ui'
import { faultText } from './DeviceDetail'

const TONES: Record<CommandState, string> = { queued: 'info', sent: 'info', delivered: 'info', acknowledged: 'good', failed: 'critical', expired: 'high', cancelled: 'info' }
const ICONS: Record<CommandState, typeof Clock> = { queued: Hourglass, sent: SendHorizontal, delivered: Done, acknowledged: Done, failed: CircleX, expired: Clock, cancelled: Ban }

export function CommandBadge({ state }: { state: CommandState }) {
  const t = useT()
  const Icon = ICONS[state]
  return <Badge tone={TONES[state]} icon={<Icon size={14} aria-hidden />}>{t(`admin:devices.command_state.${state}`)}</Badge>
}

/** What was typed, as the server wants it; undefined when nothing was. */
function valueOf(parameter: CommandParameter, typed: string): unknown {
  if (parameter.options?.length) return parameter.options.find(option => String(option) === typed)
  if (parameter.kind === 'bool') return typed === '' ? undefined : typed === 'true'
  if (parameter.kind === 'text') return typed || undefined
  const number = Number(typed.trim().replace(',', '.'))
  return typed.trim() === '' || Number.isNaN(number) ? undefined : number
}

function Entry({ parameter, value, onChange }: { parameter: CommandParameter; value: string; onChange: (value: string) => void }) {
  const t = useT()
  const lng = useLanguage()
  const label = `${named(lng, parameter.title, parameter.title_en)}${parameter.unit_text ? ` (${parameter.unit_text})` : ''}`
  const bounded = parameter.min !== undefined && parameter.max !== undefined
  const hint = bounded ? t('admin:devices.range', { min: format.number(parameter.min, 3), max: format.number(parameter.max, 3) }) : undefined
  const choices = parameter.options?.length ? parameter.options.map(option => [String(option), String(option)]) : parameter.kind === 'bool' ? [['true', t('admin:devices.yes')], ['false', t('admin:devices.no')]] : undefined
  return (
    <Field label={label} {...(hint ? { hint } : {})}>
      {ids =>
        choices ? (
          <Select {...ids} value={value} onChange={e => onChange(e.target.value)}>
            <option value="">{t('admin:choose')}</option>
            {choices.map(([v, words]) => <option key={v} value={v}>{words}</option>)}
          </Select>
        ) : (
          <Input {...ids} value={value} maxLength={1000} inputMode={parameter.kind === 'text' ? 'text' : 'decimal'} onChange={e => onChange(e.target.value)} />
        )
      }
    </Field>
  )
}

/** The form of one command; `onSend` gets checked parameters. */
export function CommandForm({ specs, busy, error, onSend }: { specs: readonly CommandSpec[]; busy: boolean; error: unknown; onSend: (command: string, parameters: Record<string, unknown>) => void }) {
  const t = useT()
  const lng = useLanguage()
  const [name, setName] = useState(specs[0]?.name ?? '')
  const [typed, setTyped] = useState<Record<string, string>>({})
  const [sure, setSure] = useState(false)
  const spec = specs.find(s => s.name === name)
  const parameters = spec?.parameter ?? []
  const text = (p: CommandParameter) => typed[`${name}.${p.name}`] ?? (p.default === undefined ? '' : String(p.default))
  const missing = parameters.some(p => p.default === undefined && valueOf(p, text(p)) === undefined)
  const send = (event: FormEvent) => {
    event.preventDefault()
    onSend(name, Object.fromEntries(parameters.flatMap(p => { const v = valueOf(p, text(p)); return v === undefined ? [] : [[p.name, v]] })))
    setSure(false)
  }
  return (
    <form className="stack" onSubmit={send}>
      <Field label={t('admin:devices.command')}>
        {ids => <Select {...ids} value={name} onChange={e => { setName(e.target.value); setSure(false) }}>{specs.map(s => <option key={s.name} value={s.name}>{named(lng, s.title, s.title_en)}</option>)}</Select>}
      </Field>
      {parameters.map(p => <Entry key={`${name}.${p.name}`} parameter={p} value={text(p)} onChange={value => setTyped(before => ({ ...before, [`${name}.${p.name}`]: value }))} />)}
      {spec?.sensitive ? <Note tone="high"><p>{t('admin:devices.sensitive')}</p><Check checked={sure} onChange={e => setSure(e.target.checked)}>{t('admin:devices.sure')}</Check></Note> : null}
      <FailedNote error={error} />
      <div><Button type="submit" icon={<Send size={18} aria-hidden />} busy={busy} disabled={!spec || missing || (spec.sensitive === true && !sure)}>{t('admin:devices.send')}</Button></div>
    </form>
  )
}

function Way({ command, spec, onCancel }: { command: DeviceCommand; spec: CommandSpec | undefined; onCancel?: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const title = (name: string) => { const p = spec?.parameter?.find(p => p.name === name); return p ? named(lng, p.title, p.title_en) : name }
  const said = Object.entries(command.parameters).map(([name, value]) => `${title(name)}: ${String(value)}`).join(' · ')
  const stops = [
    { label: t('admin:devices.command_state.queued'), at: command.created },
    { label: t('admin:devices.command_state.sent'), at: command.sent },
    { label: t('admin:devices.command_state.delivered'), at: command.delivered },
    ...(command.ended && command.state !== 'delivered' ? [{ label: t(`admin:devices.command_state.${command.state}`), at: command.ended }] : []),
  ].filter(stop => stop.at)
  return (
    <li className="stack-s command">
      <div className="spread">
        <strong>{spec ? named(lng, spec.title, spec.title_en) : command.command}</strong>
        <CommandBadge state={command.state} />
      </div>
      {said ? <p>{said}</p> : null}
      <p className="small quiet tnum">{stops.map((stop, i) => `${stop.label} ${i && format.date(stop.at) === format.date(command.created) ? format.time(stop.at) : format.dateTime(stop.at)}`).join(' → ')} · {t('admin:devices.by')}: {command.actor}{command.ended || command.delivered ? '' : ` · ${t('admin:devices.waits_until')} ${format.dateTime(command.expires)}`}</p>
      {command.reason ? <p className="due-late">{faultText(t, command.reason)}</p> : null}
      {command.result === undefined ? null : <p className="small">{t('admin:devices.answer')}: <span className="code">{typeof command.result === 'string' ? command.result : JSON.stringify(command.result)}</span></p>}
      {onCancel && command.state === 'queued' ? <div><Button size="small" look="quiet" icon={<Ban size={16} aria-hidden />} onClick={onCancel}>{t('admin:devices.cancel_command')}</Button></div> : null}
    </li>
  )
}

/** Commands of a device: send one, follow all. */
export function Commands({ device }: { device: Device }) {
  const t = useT()
  const me = useMe()
  const profile = useProfiles().data?.find(p => p.name === device.profile)
  const specs = profile?.command ?? []
  const commands = useCommands(device.id)
  const send = useSendCommand(device.id)
  const cancel = useCancelCommand(device.id)
  const key = useRef(crypto.randomUUID())
  const may = can(me.data, 'device-command')
  const rows = commands.data?.pages.flatMap(page => page.items) ?? []
  return (
    <div className="stack">
      {specs.length === 0 ? <Note>{t('admin:devices.no_commands')}</Note> : null}
      {may && specs.length ? (
        <CommandForm
          specs={specs}
          busy={send.isPending}
          error={send.error}
          onSend={(command, parameters) => send.mutate({ command, parameters, key: key.current }, { onSuccess: () => { key.current = crypto.randomUUID(); toast(t('admin:devices.sent_toast')) } })}
        />
      ) : null}
      {commands.error && !commands.data ? <Failed error={commands.error} onRetry={() => void commands.refetch()} /> : null}
      {commands.isPending ? <Loading rows={2} /> : null}
      {commands.data && rows.length === 0 && specs.length ? <Empty title={t('admin:devices.none_sent')}>{t('admin:devices.none_sent_body')}</Empty> : null}
      <ul className="commands">
        {rows.map(command => <Way key={command.id} command={command} spec={specs.find(s => s.name === command.command)} {...(may ? { onCancel: () => cancel.mutate(command.id, { onError: toastError }) } : {})} />)}
      </ul>
      {commands.hasNextPage ? <div><Button look="secondary" busy={commands.isFetchingNextPage} onClick={() => void commands.fetchNextPage()}>{t('ui.more')}</Button></div> : null}
    </div>
  )
}
