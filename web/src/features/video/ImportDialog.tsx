import { useState, type FormEvent } from 'react'
import { useImportCameras } from '@/api'
import { hasText, useT } from '@/i18n'
import { Button, Dialog, FailedNote, Field, Input, Note } from '@/ui'

/** A table of cameras; what was left out is told line by line. */
export function ImportDialog({ onClose }: { onClose: () => void }) {
  const t = useT()
  const send = useImportCameras()
  const [file, setFile] = useState<File>()
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (file) send.mutate(file)
  }
  const done = send.data
  return (
    <Dialog open wide onClose={onClose} title={t('video:import.title')}>
      <p className="quiet">{t('video:import.lead')}</p>
      <p className="code break">code,name,url,purpose,address,lon,lat,bearing,angle,reach,commune,unit,sector,legal,retention_days,record,user,password</p>
      <form className="stack" onSubmit={submit}>
        <Field label={t('video:import.file')}>{ids => <Input {...ids} type="file" required accept=".csv" onChange={e => setFile(e.target.files?.[0])} />}</Field>
        <FailedNote error={send.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.close')}</Button><Button type="submit" busy={send.isPending} disabled={!file}>{t('video:import.send')}</Button></div>
      </form>
      {done ? (
        <Note tone={done.rejected ? 'high' : 'good'}>
          <p>{t('video:import.done', { read: done.read, added: done.added, changed: done.changed, rejected: done.rejected })}</p>
          {done.rejects.length ? <ul>{done.rejects.map(r => <li key={`${r.line} ${r.code}`}>{t('video:import.line', { line: r.line })} {r.camera}: {hasText(`errors.${r.code}`) ? t(`errors.${r.code}`) : r.detail} <span className="code">{r.code}</span></li>)}</ul> : null}
        </Note>
      ) : null}
    </Dialog>
  )
}
