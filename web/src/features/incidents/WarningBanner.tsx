import { Megaphone } from 'lucide-react'
import { useNotices } from '@/api/notices'
import { named, useLanguage, useT } from '@/i18n'
import { format } from '@/ui'
import './warnings.css'

/** Warnings in force, for everybody. Nothing is drawn when there are none. */
export function WarningBanner() {
  const t = useT()
  const lng = useLanguage()
  const notices = useNotices()
  if (!notices.data || notices.data.length === 0) return null
  return (
    <section className="warnings" aria-label={t('citizen:warnings.title')}>
      {notices.data.map(w => {
        const words = lng === 'en' && w.en.headline ? w.en : w.vi
        return (
          <article key={w.identifier} className={`warning warning-${w.severity.toLowerCase()}`}>
            <Megaphone size={26} aria-hidden />
            <div>
              <h2>{words.headline}</h2>
              <p>{[named(lng, w.event, w.event), w.areas.join(', ')].filter(Boolean).join(' · ')}{w.expires_at ? ` · ${t('citizen:warnings.until', { at: format.dateTime(w.expires_at) })}` : ''}</p>
              {words.description ? <p>{words.description}</p> : null}
              {words.instruction ? <p><strong>{words.instruction}</strong></p> : null}
            </div>
          </article>
        )
      })}
    </section>
  )
}
