const paths = {
  menu: 'M3 5h14M3 10h14M3 15h14',
  people: 'M7.5 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2 17c0-3 2.5-5 5.5-5s5.5 2 5.5 5M13 3.4a3 3 0 0 1 0 5.2M15 12.5c1.8.8 3 2.400 3 4.500',
  close: 'm5 5 10 10M15 5 5 15',
  plus: 'M10 4v12M4 10h12',
  reply: 'M8 5 3 10l5 5M3 10h8c3.500 0 6 2 6 5.500',
  edit: 'm4 16 .8-3.600L13.500 3.700a1.400 1.400 0 0 1 2 0l.8.8a1.400 1.400 0 0 1 0 2L7.600 15.200Z',
  trash: 'M4 6h12M8 6V4h4v2M6 6l.7 10h6.600L14 6',
  smile: 'M10 17.500a7.500 7.500 0 1 0 0-15 7.500 7.500 0 0 0 0 15ZM7 12c.7 1.200 1.700 1.800 3 1.800s2.300-.6 3-1.800M7.500 7.800v.4M12.500 7.800v.4',
  send: 'M3.500 10 16.500 4l-3.800 12.500-3-5Zm6.200 1.500L16.500 4',
  down: 'M10 4v12M5 11l5 5 5-5',
  pulse: 'M2 10h4l2-5 4 10 2-5h4',
  server: 'M4 3.500h12v5H4ZM4 11.500h12v5H4ZM7 6v.01M7 14v.01',
  keyboard: 'M2.500 5h15v10h-15ZM6 12.200h8M5.500 8.500h.01M8.500 8.500h.01M11.500 8.500h.01M14.500 8.500h.01',
} as const

export type IconName = keyof typeof paths

/** A line drawing; its meaning is said by the text or label beside it. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5"
      strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  )
}
