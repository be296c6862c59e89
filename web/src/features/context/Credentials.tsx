import { Trash2 } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { useAddCredential, useCredentials, useDropCredential, type Credential, type Device } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, FailedNote, Field, format, Input, Loaded, Note, Select, TextArea, toast, toastError, useNow } from '@/ui'

const KINDS = ['secret', 'fingerprint', 'name'] as const

function Validity({ credential, now }: { credential: Credential; now: number }) {
  const t = useT()
  if (!credential.valid_to) return <>{t('admin:devices.valid_always')}</>
  if (Date.parse(credential.valid_to) <= now) return <Badge tone="high">{t('admin:devices.valid_over')}</Badge>
  return <>{t('admin:devices.valid_to', { at: format.date(credential.valid_to) })}</>
}

function Add({ device, onSecret }: { device: Device; onSecret: (secret: string) => void }) {
  const t = useT()
  const add = useAddCredential(device.id)
  const [kind, setKind] = useState<(typeof KINDS)[number]>('fingerprint')
  const [value, setValue] = useState('')
  const [label, setLabel] = useState('')
  const send = (event: FormEvent) => {
    event.preventDefault()
    const said = kind === 'secret' ? {} : kind === 'name' ? { name: value.trim() } : value.includes('BEGIN') ? { certificate: value } : { fingerprint: value.trim() }
    add.mutate({ label: label.trim(), ...said }, { onSuccess: made => { setValue(''); setLabel(''); if (made.secret) onSecret(made.secret); else toast(t('admin:devices.saved')) } })
  }
  return (
    <form className="stack" onSubmit={send}>
      <div className="two-up">
        <Field label={t('admin:devices.kind')}>{ids => <Select {...ids} value={kind} onChange={e => setKind(KINDS.find(k => k === e.target.value) ?? 'fingerprint')}>{KINDS.map(k => <option key={k} value={k}>{t(`admin:devices.kinds.${k}`)}</option>)}</Select>}</Field>
        <Field label={t('admin:devices.label')}>{ids => <Input {...ids} maxLength={100} value={label} onChange={e => setLabel(e.target.value)} />}</Field>
      </div>
      {kind === 'fingerprint' ? <Field label={t('admin:devices.certificate')} hint={t('admin:devices.certificate_hint')}>{ids => <TextArea {...ids} required rows={4} maxLength={20000} className="code" value={value} onChange={e => setValue(e.target.value)} />}</Field> : null}
      {kind === 'name' ? <Field label={t('admin:devices.cert_name')} hint={t('admin:devices.cert_name_hint')}>{ids => <Input {...ids} required maxLength={200} value={value} onChange={e => setValue(e.target.value)} />}</Field> : null}
      <FailedNote error={add.error} />
      <div><Button type="submit" look="secondary" busy={add.isPending} disabled={kind !== 'secret' && !value.trim()}>{t('admin:devices.add_credential')}</Button></div>
    </form>
  )
}

/** What a device signs in with beside its first secret. */
export function Credentials({ device }: { device: Device }) {
  const t = useT()
  const now = useNow()
  const credentials = useCredentials(device.id)
  const drop = useDropCredential(device.id)
  const [secret, setSecret] = useState<string>()
  return (
    <div className="stack">
      {secret ? <Note tone="high"><p>{t('admin:once')}</p><p><span className="code">{secret}</span></p><Button size="small" look="secondary" onClick={() => void navigator.clipboard.writeText(secret).then(() => toast(t('admin:copied')))}>{t('admin:copy')}</Button></Note> : null}
      <Loaded of={credentials} rows={1}>
        {list => (
          <ul className="commands">
            <li className="stack-s command"><strong>{t('admin:devices.first_secret')}</strong><p className="small quiet">{t('admin:devices.first_secret_note')}</p></li>
            {list.map(c => (
              <li key={c.id} className="stack-s command">
                <div className="spread">
                  <span><strong>{t(`admin:devices.kinds.${c.kind}`)}</strong>{c.label ? ` · ${c.label}` : ''}</span>
                  <Button size="small" look="quiet" icon={<Trash2 size={16} aria-hidden />} onClick={() => drop.mutate(c.id, { onSuccess: () => toast(t('admin:devices.credential_dropped')), onError: toastError })}>{t('admin:devices.drop_credential')}</Button>
                </div>
                {c.value ? <span className="code break">{c.kind === 'fingerprint' ? c.value.match(/.{4}/g)?.join(' ') : c.value}</span> : null}
                <p className="small quiet tnum">{t('admin:devices.valid')}: <Validity credential={c} now={now} /></p>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      <Add device={device} onSecret={setSecret} />
    </div>
  )
}
