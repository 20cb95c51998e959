// Which topics hear of which events.
export const routes = {
  'order.placed': ['stock', 'mail'],
  'order.paid': ['mail', 'shipping'],
  'order.cancelled': ['stock', 'mail', 'shipping'],
};
