// Line drawings on a grid of 20, in the colour of the text around them.
const paths = {
  mayfly: 'M10 16.5V6.5M10 8C7 2.5 2.5 2 2 4.500s3.500 6 8 5.500M10 8c3-5.500 7.500-6 8-3.500s-3.500 6-8 5.500M10 16.500c-.8.9-1.600 1.600-3 2.200M10 16.500c.8.9 1.600 1.600 3 2.200M10 6.500 8.700 4.200M10 6.500l1.300-2.300',
  caches: 'M3.500 5.500c0-3.300 13-3.300 13 0v9c0 3.300-13 3.300-13 0zM3.500 5.500c0 3.300 13 3.300 13 0M3.500 10c0 3.300 13 3.300 13 0',
  topics: 'M10 10h.01M7.200 12.800a4 4 0 0 1 0-5.600M12.800 7.200a4 4 0 0 1 0 5.600M4.400 15.600a8 8 0 0 1 0-11.200M15.600 4.400a8 8 0 0 1 0 11.200',
  data: 'M7 5h10M7 10h10M7 15h10M3 5h.01M3 10h.01M3 15h.01',
  tokens: 'M12.500 11.500a4.500 4.500 0 1 0-4-4L3 13v4h4v-2.500h2.500z M13.200 6.800h.01',
  cluster: 'M10 2.500 16.500 6.200v7.600L10 17.500l-6.500-3.700V6.200zM10 10l6.500-3.800M10 10v7.500M10 10 3.500 6.200',
  usage: 'M3 16.500h14M3 13l4-4 3.500 3L17 5',
  settings: 'M4 6h12M4 14h12M8 3.800v4.400M13 11.800v4.400',
} as const;

export function Icon({name}: {name: keyof typeof paths}) {
  return (
    <svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
