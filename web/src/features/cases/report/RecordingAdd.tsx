import { Film } from 'lucide-react'
import { useState } from 'react'
import { sendRecording } from '@/api/intake'
import { useT } from '@/i18n'
import { errorWords, Note } from '@/ui'

/** Adds a video or a sound to a report that was just sent; for the officers, never public. */
export function RecordingAdd({ code, secret, most, bytes, seconds }: { code: string; secret: string; most: number; bytes: number; seconds: number }) {
  const t = useT()
  const [sent, setSent] = useState(0)
  const [busy, setBusy] = useState(false)
  const [fault, setFault] = useState<string>()
  if (most === 0) return null
  async function add(file: File | undefined): Promise<void> {
    if (!file) return
    setFault(undefined)
    if (file.size > bytes) return setFault(t('citizen:recording.too_big', { mb: Math.floor(bytes / 1_048_576) }))
    setBusy(true)
    try {
      await sendRecording(code, secret, file)
      setSent(before => before + 1)
    } catch (cause) {
      setFault(errorWords(cause))
    } finally {
      setBusy(false)
    }
  }
  return (
    <div className="stack-s">
      {sent < most ? (
        <label className="btn btn-secondary">
          {busy ? <span className="spin" aria-hidden /> : <Film size={18} aria-hidden />}
          {t('citizen:recording.add')}
          <input className="visually-hidden" type="file" accept="video/mp4,video/quicktime,video/3gpp,audio/mp4,audio/x-m4a,audio/3gpp" disabled={busy} onChange={event => (void add(event.target.files?.[0]), (event.target.value = ''))} />
        </label>
      ) : null}
      <p className="small quiet" role="status">{sent > 0 ? t('citizen:recording.sent', { n: sent }) : t('citizen:recording.hint', { mb: Math.floor(bytes / 1_048_576), seconds })}</p>
      {fault ? <Note tone="critical">{fault}</Note> : null}
    </div>
  )
}
