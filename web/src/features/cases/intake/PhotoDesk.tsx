import { EyeOff, Film, ScanFace } from 'lucide-react'
import { useState } from 'react'
import { can, mediaAddress, photoAddress, useMe, type Case, type CasePhoto } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, format, Note, Photos } from '@/ui'
import { MaskEditor } from './MaskEditor'

/** What the public will see of a photo. */
function state(photo: CasePhoto): { key: string; tone: string } | undefined {
  if (photo.mask === 'masked') return { key: 'masked', tone: 'good' }
  if (photo.mask === 'proposed' || photo.mask === 'failed') return { key: photo.mask, tone: 'high' }
  if (photo.mask === 'waiting') return { key: 'waiting', tone: 'waiting' }
  return undefined
}

/** Photos of a case with what is known of them, and the way to mask them; videos and sound. */
export function PhotoDesk({ item }: { item: Case }) {
  const t = useT()
  const me = useMe()
  const [open, setOpen] = useState<CasePhoto>()
  const may = ['case-triage', 'case-handle', 'case-approve'].some(permission => can(me.data, permission))
  const alt = (i: number) => t('ui.photo_n', { n: i + 1 })
  if (item.photos.length === 0 && item.media.length === 0) return null
  return (
    <div className="stack-s">
      <ul className="plain-list photo-desk">
        {item.photos.map((photo, i) => {
          const seen = state(photo)
          return (
            <li key={photo.sha} className="stack-s">
              <Photos size={168} photos={[{ thumb: photoAddress(photo.masked ?? photo.sha, 'thumb'), full: photoAddress(photo.masked ?? photo.sha), alt: alt(i), tag: t(photo.stage === 'after' ? 'citizen:case.after' : 'citizen:case.before') }]} />
              {seen ? <Badge tone={seen.tone} icon={<EyeOff size={14} aria-hidden />}>{t(`work:mask.state.${seen.key}`, { n: photo.boxes?.length ?? 0 })}</Badge> : null}
              {photo.taken_at ? <span className="small quiet">{t('work:mask.taken', { at: format.dateTime(photo.taken_at) })}</span> : null}
              {photo.taken_metres === undefined || photo.taken_metres === null ? null : <span className="small quiet">{t('work:mask.metres', { n: format.number(photo.taken_metres) })}</span>}
              {may ? <Button look="quiet" size="small" icon={<ScanFace size={16} aria-hidden />} onClick={() => setOpen(photo)}>{t('work:mask.open')}</Button> : null}
            </li>
          )
        })}
      </ul>
      {item.media.length > 0 ? (
        <>
          <Note icon={<Film size={20} aria-hidden />}>{t('work:media.internal')}</Note>
          <ul className="plain-list stack-s">
            {item.media.map((media, i) => (
              <li key={media.id}>
                {media.kind === 'video'
                  ? <video controls preload="metadata" className="recording" src={mediaAddress(media.id)} aria-label={t('work:media.video', { n: i + 1 })} />
                  : <audio controls preload="metadata" className="recording" src={mediaAddress(media.id)} aria-label={t('work:media.sound', { n: i + 1 })} />}
                <p className="small quiet">{[t('work:media.seconds', { n: media.seconds }), format.dateTime(media.at)].join(' · ')}</p>
              </li>
            ))}
          </ul>
        </>
      ) : null}
      {open ? <MaskEditor caseId={item.id} photo={open} alt={alt(item.photos.indexOf(open))} onClose={() => setOpen(undefined)} /> : null}
    </div>
  )
}
