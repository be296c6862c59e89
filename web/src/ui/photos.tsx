import { Camera, ImagePlus, X } from 'lucide-react'
import { useEffect, useMemo, useState } from 'react'
import { useT } from '@/i18n'
import { Dialog } from './controls'
import { photoPlace, type Told } from './exif'
import { toast } from './states'

export interface ShownPhoto {
  thumb: string
  full: string
  alt: string
  tag?: string
}

export function Photos({ photos, size = 140 }: { photos: readonly ShownPhoto[]; size?: number }) {
  const t = useT()
  const [open, setOpen] = useState<ShownPhoto>()
  if (photos.length === 0) return null
  return (
    <div className="photos">
      {photos.map(photo => (
        <button key={photo.thumb} type="button" className="photo" style={{ width: size, height: size }} onClick={() => setOpen(photo)}>
          <img src={photo.thumb} alt={photo.alt} loading="lazy" />
          {photo.tag ? <span className="photo-tag">{photo.tag}</span> : null}
        </button>
      ))}
      <Dialog wide open={Boolean(open)} onClose={() => setOpen(undefined)} title={open?.tag ?? t('ui.photo')}>
        {open ? <img src={open.full} alt={open.alt} style={{ maxHeight: '75dvh', margin: 'auto', borderRadius: 'var(--r-m)' }} /> : null}
      </Dialog>
    </div>
  )
}

const LONGEST = 2048
const TYPES = 'image/jpeg,image/png,image/webp,image/heic,image/heif'

/** Makes the photo small enough for a slow network. Drawing it anew also leaves the camera's own notes (place, owner) behind. */
export async function shrink(file: File): Promise<File> {
  let bitmap: ImageBitmap
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' })
  } catch {
    throw new Error('photo.unreadable')
  }
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(bitmap.width * scale))
  canvas.height = Math.max(1, Math.round(bitmap.height * scale))
  canvas.getContext('2d')?.drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  bitmap.close()
  const blob = await new Promise<Blob | null>(resolve => canvas.toBlob(resolve, 'image/jpeg', 0.86))
  if (!blob) throw new Error('photo.unreadable')
  return new File([blob], file.name.replace(/\.\w+$/, '') + '.jpg', { type: 'image/jpeg' })
}

export function PhotoPicker({ photos, onChange, onPlace, max = 5, hero, label }: { photos: readonly File[]; onChange: (photos: File[]) => void; onPlace?: (at: Told) => void; max?: number; hero?: boolean; label?: string }) {
  const t = useT()
  const [busy, setBusy] = useState(false)
  const shown = useMemo(() => photos.map(photo => ({ photo, url: URL.createObjectURL(photo) })), [photos])
  useEffect(() => () => shown.forEach(item => URL.revokeObjectURL(item.url)), [shown])

  async function add(list: FileList | null): Promise<void> {
    const chosen = [...(list ?? [])].slice(0, max - photos.length)
    if (chosen.length === 0) return
    setBusy(true)
    // What the camera noted is lost when the picture is drawn anew.
    if (onPlace) {
      const place = (await Promise.all(chosen.map(photoPlace))).find(Boolean)
      if (place) onPlace(place)
    }
    const made = await Promise.allSettled(chosen.map(shrink))
    setBusy(false)
    const good = made.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
    if (good.length < chosen.length) toast(t('errors.photo.unreadable'), { tone: 'bad' })
    if (good.length > 0) onChange([...photos, ...good])
  }

  const first = hero && photos.length === 0
  return (
    <div className="pick">
      {shown.map(({ photo, url }, index) => (
        <div key={url} className="pick-item">
          <img src={url} alt={t('ui.photo_n', { n: index + 1 })} />
          <button type="button" onClick={() => onChange(photos.filter(p => p !== photo))}>
            <span>
              <X size={16} aria-hidden />
            </span>
            <span className="visually-hidden">{t('ui.remove_photo', { n: index + 1 })}</span>
          </button>
        </div>
      ))}
      {photos.length < max ? (
        <label className={first ? 'pick-add pick-first' : 'pick-add'}>
          {busy ? <span className="spin" aria-hidden /> : first ? <Camera size={44} strokeWidth={1.6} aria-hidden /> : <ImagePlus size={26} aria-hidden />}
          {label ?? t('ui.add_photo')}
          <input className="visually-hidden" type="file" accept={TYPES} multiple onChange={event => (void add(event.target.files), (event.target.value = ''))} />
        </label>
      ) : null}
    </div>
  )
}
