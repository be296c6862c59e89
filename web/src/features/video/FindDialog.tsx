import { useState, type FormEvent } from 'react'
import { useAskDevice, useProbe } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, Dialog, FailedNote, Field, Input, Note, TextArea } from '@/ui'
import type { CameraStart } from './CameraDialog'

/** Looks for cameras (ONVIF), asks one for its streams, and hands a stream over to the form. */
export function FindDialog({ onClose, onTake }: { onClose: () => void; onTake: (start: CameraStart) => void }) {
  const t = useT()
  const probe = useProbe()
  const ask = useAskDevice()
  const [addresses, setAddresses] = useState('')
  const [device, setDevice] = useState({ service: '', user: '', password: '' })
  const set = (key: keyof typeof device) => (e: { target: { value: string } }) => setDevice(before => ({ ...before, [key]: e.target.value }))
  const search = (event: FormEvent) => {
    event.preventDefault()
    probe.mutate(addresses.split(/[\s,;]+/).filter(Boolean))
  }
  const question = (event: FormEvent) => {
    event.preventDefault()
    ask.mutate(device)
  }
  const found = ask.data
  return (
    <Dialog open wide onClose={onClose} title={t('video:find.title')}>
      <form className="stack-s" onSubmit={search}>
        <p className="quiet">{t('video:find.lead')}</p>
        <Field label={t('video:find.addresses')} hint={t('video:find.addresses_hint')}>{ids => <TextArea {...ids} rows={2} value={addresses} onChange={e => setAddresses(e.target.value)} />}</Field>
        <FailedNote error={probe.error} />
        <div className="row"><Button type="submit" busy={probe.isPending}>{t('video:find.search')}</Button></div>
      </form>
      {probe.data ? (
        probe.data.length === 0 ? <Note>{t('video:find.none')}</Note> : (
          <ul className="cam-plain">
            {probe.data.map(p => (
              <li key={p.service}>
                <span className="row"><strong>{p.name || p.service}</strong><span className="small quiet">{p.hardware}</span>{p.known ? <Badge tone="good">{t('video:find.known')}</Badge> : null}</span>
                <span className="small break">{p.service}</span>
                <span className="row"><Button look="secondary" size="small" onClick={() => setDevice(before => ({ ...before, service: p.service }))}>{t('video:find.ask')}</Button></span>
              </li>
            ))}
          </ul>
        )
      ) : null}
      <form className="stack-s" onSubmit={question}>
        <h3>{t('video:find.device')}</h3>
        <div className="cam-grid">
          <Field label={t('video:find.service')}>{ids => <Input {...ids} type="url" required maxLength={300} value={device.service} onChange={set('service')} />}</Field>
          <Field label={t('video:field.user')}>{ids => <Input {...ids} autoComplete="off" maxLength={200} value={device.user} onChange={set('user')} />}</Field>
          <Field label={t('video:field.password')}>{ids => <Input {...ids} type="password" autoComplete="new-password" maxLength={200} value={device.password} onChange={set('password')} />}</Field>
        </div>
        <FailedNote error={ask.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.close')}</Button><Button type="submit" busy={ask.isPending}>{t('video:find.streams')}</Button></div>
      </form>
      {found ? (
        <Note tone="good">
          <p>{[found.manufacturer, found.model, found.firmware, found.serial].filter(Boolean).join(' · ')}</p>
          <ul className="cam-plain">
            {found.profiles.map(p => (
              <li key={p.token}>
                <span>{p.name} · {p.encoding} {p.width}×{p.height}</span>
                <span className="small break">{p.url}</span>
                <span className="row">{p.url && p.encoding === 'H264' ? <Button size="small" onClick={() => onTake({ name: `${found.manufacturer} ${found.model}`.trim(), url: p.url, user: device.user, password: device.password })}>{t('video:find.take')}</Button> : <span className="small quiet">{t('video:find.not_h264')}</span>}</span>
              </li>
            ))}
          </ul>
        </Note>
      ) : null}
    </Dialog>
  )
}
