import { MapPin, Users } from 'lucide-react'
import type { PublicCase } from '@/api'
import { photoAddress, useCaseTypes } from '@/api/cases'
import { named, useLanguage, useT } from '@/i18n'
import '../cases.css'
import { Due, format, PackIcon, PhaseBadge, Stars } from '@/ui'

/** One report in a public list. */
export function CaseCard({ item, current, onOpen }: { item: PublicCase; current?: boolean; onOpen?: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const category = named(lng, item.category_name, item.category_name_en)
  const icon = useCaseTypes().data?.flatMap(type => type.categories).find(c => c.code === item.category)?.icon
  const photo = item.answer?.photos[0] ?? item.photos[0]
  return (
    <a className={photo ? 'case-card' : 'case-card plain'} href={`/r/${item.code}`} aria-current={current || undefined} onMouseEnter={onOpen} onFocus={onOpen}>
      {photo ? <img className="case-thumb" src={photoAddress(photo, 'thumb')} alt="" loading="lazy" /> : <span className="case-glyph"><PackIcon name={icon} /></span>}
      <span className="case-body">
        <span className="row" style={{ gap: '0.5rem' }}>
          <PhaseBadge phase={item.phase} />
          {item.rating ? <Stars value={item.rating} /> : null}
        </span>
        <h3 className="lines-2">{item.text || category}</h3>
        <span className="case-meta">
          {item.text ? <span>{category}</span> : null}
          {item.area_name ? (
            <span className="bit">
              <MapPin size={14} aria-hidden />
              {item.area_name}
            </span>
          ) : null}
          <span>{format.ago(item.opened_at)}</span>
          {item.followers ? (
            <span className="bit">
              <Users size={14} aria-hidden />
              {t('citizen:case.followers', { n: item.followers })}
            </span>
          ) : null}
          {item.due_at && !item.closed_at ? <Due at={item.due_at} /> : null}
        </span>
      </span>
    </a>
  )
}
