import { useId, useState, type KeyboardEvent } from 'react'
import { cx, Field, Input } from '@/ui'

export interface Choice {
  code: string
  name: string
  note?: string | undefined
}

/** One of many by typing a few letters, with or without marks: arrow keys move, Enter takes. */
export function Picker({ label, hint, words, onWords, choices, chosen, onChoose }: { label: string; hint?: string; words: string; onWords: (words: string) => void; choices: readonly Choice[]; chosen: Choice | undefined; onChoose: (choice: Choice | undefined) => void }) {
  const list = useId()
  const [open, setOpen] = useState(false)
  const [at, setAt] = useState(0)
  const shown = open ? choices : []
  const here = Math.min(at, shown.length - 1)

  function take(choice: Choice | undefined): void {
    if (!choice) return
    onChoose(choice)
    onWords('')
    setOpen(false)
  }
  function key(event: KeyboardEvent): void {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault()
      setOpen(true)
      setAt(Math.max(0, Math.min(choices.length - 1, here + (event.key === 'ArrowDown' ? 1 : -1))))
    } else if (event.key === 'Enter' && !event.ctrlKey && shown[here]) {
      event.preventDefault()
      take(shown[here])
    } else if (event.key === 'Tab' && words && shown[here]) {
      take(shown[here])
    } else if (event.key === 'Escape') {
      setOpen(false)
    }
  }
  return (
    <div className="picker">
      <Field label={label} {...(hint ? { hint } : {})}>
        {ids => (
          <Input
            {...ids}
            role="combobox"
            aria-expanded={shown.length > 0}
            aria-controls={list}
            aria-activedescendant={shown[here] ? `${list}-${here}` : undefined}
            autoComplete="off"
            maxLength={100}
            value={words || (open ? '' : (chosen?.name ?? ''))}
            placeholder={chosen?.name}
            onFocus={() => (setOpen(true), setAt(0))}
            onBlur={() => setOpen(false)}
            onKeyDown={key}
            onChange={event => (setOpen(true), setAt(0), onWords(event.target.value))}
          />
        )}
      </Field>
      <ul id={list} role="listbox" aria-label={label} className="picker-list" hidden={shown.length === 0}>
        {shown.map((choice, i) => (
          // The keys are the field's; the mouse takes before the field loses its focus.
          <li key={`${choice.code} ${choice.note ?? ''}`} id={`${list}-${i}`} role="option" aria-selected={i === here} className={cx(i === here && 'here')} onPointerDown={event => (event.preventDefault(), take(choice))}>
            {choice.name}
            {choice.note ? <small>{choice.note}</small> : null}
          </li>
        ))}
      </ul>
    </div>
  )
}
