import { Search, TriangleAlert, X } from 'lucide-react'
import { useEffect, useId, useRef, type ButtonHTMLAttributes, type InputHTMLAttributes, type ReactNode, type Ref, type SelectHTMLAttributes, type TextareaHTMLAttributes } from 'react'
import { useT } from '@/i18n'

export function cx(...names: (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(' ')
}

type Look = 'primary' | 'secondary' | 'quiet' | 'warm' | 'danger'
interface ButtonOwn {
  look?: Look
  size?: 'small' | 'big'
  wide?: boolean
  icon?: ReactNode
  busy?: boolean
  /** Only the icon is drawn; `children` become the name for screen readers. */
  iconOnly?: boolean
}

function buttonClass({ look = 'primary', size, wide, iconOnly }: ButtonOwn, more?: string): string {
  return cx('btn', look !== 'primary' && `btn-${look}`, size && `btn-${size}`, wide && 'btn-wide', iconOnly && 'btn-icon', more)
}

export function Button({ look, size, wide, icon, busy, iconOnly, children, className, disabled, type = 'button', ...rest }: ButtonOwn & ButtonHTMLAttributes<HTMLButtonElement>) {
  return (
    <button type={type} className={buttonClass({ look, size, wide, iconOnly }, className)} disabled={disabled || busy} aria-busy={busy || undefined} {...rest}>
      {busy ? <span className="spin" aria-hidden /> : icon}
      {iconOnly ? <span className="visually-hidden">{children}</span> : children}
    </button>
  )
}

export function LinkButton({ look, size, wide, icon, href, download, children, className }: ButtonOwn & { href: string; download?: boolean; children: ReactNode; className?: string }) {
  return (
    <a className={buttonClass({ look, size, wide }, className)} href={href} download={download}>
      {icon}
      {children}
    </a>
  )
}

interface FieldProps {
  label: ReactNode
  hint?: ReactNode
  error?: string | undefined
  children: (ids: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean | undefined }) => ReactNode
}

export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId()
  const said = error ? `${id}-e` : hint ? `${id}-h` : undefined
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {hint && !error ? <span className="field-hint" id={`${id}-h`}>{hint}</span> : null}
      {children({ id, 'aria-describedby': said, 'aria-invalid': error ? true : undefined })}
      {error ? (
        <span className="field-error" id={`${id}-e`} role="alert">
          <TriangleAlert size={16} aria-hidden />
          {error}
        </span>
      ) : null}
    </div>
  )
}

export function Input({ className, ref, ...rest }: InputHTMLAttributes<HTMLInputElement> & { ref?: Ref<HTMLInputElement> }) {
  return <input ref={ref} className={cx('input', className)} {...rest} />
}

export function TextArea({ className, ...rest }: TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return <textarea className={cx('input', className)} {...rest} />
}

export function Select({ className, children, ...rest }: SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <select className={cx('input', className)} {...rest}>
      {children}
    </select>
  )
}

export function SearchBox({ label, value, onChange, ...rest }: { label: string; value: string; onChange: (words: string) => void } & Omit<InputHTMLAttributes<HTMLInputElement>, 'value' | 'onChange'>) {
  return (
    <div className="search">
      <Search size={18} aria-hidden />
      <Input type="search" aria-label={label} placeholder={label} value={value} maxLength={200} onChange={e => onChange(e.target.value)} {...rest} />
    </div>
  )
}

export function Check({ children, ...rest }: InputHTMLAttributes<HTMLInputElement> & { children: ReactNode }) {
  return (
    <label className="check">
      <input type="checkbox" {...rest} />
      <span>{children}</span>
    </label>
  )
}

export interface Segment<V extends string> {
  value: V
  label: ReactNode
  count?: number | undefined
  hot?: boolean
}

/** One choice of few, as native radio buttons. */
export function Segments<V extends string>({ label, value, options, onChange }: { label: string; value: V; options: readonly Segment<V>[]; onChange: (value: V) => void }) {
  const name = useId()
  return (
    <fieldset>
      <legend className="visually-hidden">{label}</legend>
      <div className="segments">
        {options.map(option => (
          <label key={option.value}>
            <input type="radio" name={name} checked={option.value === value} onChange={() => onChange(option.value)} />
            {option.label}
            {option.count === undefined ? null : <span className={cx('n', option.hot && option.count > 0 && 'hot')}>{option.count}</span>}
          </label>
        ))}
      </div>
    </fieldset>
  )
}

export function Dialog({ open, onClose, title, wide, children }: { open: boolean; onClose: () => void; title: ReactNode; wide?: boolean; children: ReactNode }) {
  const t = useT()
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const dialog = ref.current
    if (!dialog) return
    if (open && !dialog.open) {
      dialog.showModal()
      // A field that is there to be written in comes before the cross; what was focused while all was hidden is forgotten.
      dialog.querySelector<HTMLElement>('[data-first]')?.focus()
    }
    if (!open && dialog.open) dialog.close()
  }, [open])
  // The browser tells that it closed some time later: what closed it itself may have opened the next dialog by then.
  return (
    <dialog ref={ref} className={cx('dialog', wide && 'wide')} aria-labelledby={id} onClose={() => open && onClose()} onClick={event => event.target === ref.current && onClose()}>
      {open ? (
        <>
          <div className="dialog-head">
            <h2 id={id}>{title}</h2>
            <Button look="quiet" iconOnly icon={<X size={22} aria-hidden />} onClick={onClose}>
              {t('ui.close')}
            </Button>
          </div>
          <div className="dialog-body">{children}</div>
        </>
      ) : null}
    </dialog>
  )
}
