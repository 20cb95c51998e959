// The page: it hears what the moderator lets through, and speaks to the moderator.
import {
  CacheClient,
  Configurations,
  CredentialProvider,
  TopicClient,
  TopicConfigurations,
} from '@gomomento/sdk-web';

const CACHE = 'chat';
const HISTORY = 100;
const broker = document.querySelector('meta[name=broker]').content;
const part = id => document.getElementById(id);
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

let me, chatId, connection, opening;
let messages = new Map(); // by id, in their order
const removed = new Set();

async function token() {
  const answer = await fetch(`${broker}/vend/chat?${new URLSearchParams({chatId, name: me})}`);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message);
  return body;
}

/** Connects with a new token, and only then leaves the connection before. */
async function connect() {
  const {authToken, expiresAt} = await token();
  const credentialProvider = CredentialProvider.fromString({
    apiKey: authToken,
    endpointOverrides: {cacheEndpoint: broker, controlEndpoint: broker, tokenEndpoint: broker},
  });
  const next = {
    cache: new CacheClient({configuration: Configurations.Browser.latest(), credentialProvider, defaultTtlSeconds: 3600}),
    topics: new TopicClient({configuration: TopicConfigurations.Default.latest(), credentialProvider}),
  };
  const current = () => connection === next;
  const subscription = await next.topics.subscribe(CACHE, chatId, {
    onItem: item => hear(JSON.parse(item.valueString())),
    onDiscontinuity: () => current() && void remember(),
    onConnectionLost: () => current() && tell('Connection lost, trying again …'),
    onHeartbeat: () => current() && tell('Live'),
    onError: () => current() && void reconnect(),
  });
  if (subscription.type === 'Error') throw new Error(subscription.message());
  next.subscription = subscription;
  connection?.subscription.unsubscribe();
  clearTimeout(connection?.renewal);
  connection = next;
  next.renewal = setTimeout(reconnect, Math.max(expiresAt * 1000 - Date.now(), 0) * 0.9);
  await remember();
  tell('Live');
}

/** Connects anew, again and again until it works. */
function reconnect() {
  const retry = async () => {
    for (let wait = 250; ; wait = Math.min(2 * wait, 8000)) {
      try {
        return await connect();
      } catch {
        tell('Connection lost, trying again …');
        await pause(wait * (0.5 + Math.random()));
      }
    }
  };
  opening ??= retry().finally(() => (opening = undefined));
  return opening;
}

/** Fetches what was said before; what is no longer there was removed. */
async function remember() {
  const known = new Set(messages.keys());
  const answer = await connection.cache.listFetch(CACHE, chatId);
  if (answer.type === 'Error') return;
  const history = (answer.type === 'Hit' ? answer.valueListString() : []).map(text => JSON.parse(text));
  const meanwhile = [...messages.values()].filter(m => !known.has(m.id));
  messages = new Map([...history, ...meanwhile].map(m => [m.id, m]));
  show();
}

function hear(event) {
  if (event.removed) {
    removed.add(event.removed);
    messages.delete(event.removed);
  } else if (!messages.has(event.id)) {
    messages.set(event.id, event);
  }
  show();
}

async function publish(order) {
  const answer = await connection.topics.publish(CACHE, `${chatId}-input`, JSON.stringify(order));
  part('problem').textContent = answer.type === 'Error' ? `It was not sent: ${answer.message()}` : '';
  return answer.type !== 'Error';
}

function element(name, content, more = {}) {
  return Object.assign(document.createElement(name), {textContent: content, ...more});
}

function draw(message) {
  const li = element('li', '', {className: message.from === me ? 'mine' : ''});
  const by = element('p', '', {className: 'by'});
  by.append(element('b', message.from), ` ${new Date(message.at).toLocaleTimeString([], {timeStyle: 'short'})}`);
  if (message.from === me) {
    by.append(element('button', 'Remove', {
      type: 'button', className: 'quiet', ariaLabel: `Remove “${message.text}”`, onclick: () => void publish({remove: message.id}),
    }));
  }
  li.append(by, element('p', message.text, {className: 'said'}));
  return li;
}

function show() {
  const list = part('messages');
  const shown = [...messages.values()].filter(m => !removed.has(m.id)).slice(-HISTORY);
  list.replaceChildren(...shown.map(draw));
  list.lastElementChild?.scrollIntoView({block: 'end'});
}

const tell = state => {
  if (part('state').textContent !== state) part('state').textContent = state;
};

part('enter').addEventListener('submit', async event => {
  event.preventDefault();
  ({value: me} = part('name'));
  ({value: chatId} = part('chatId'));
  try {
    await connect();
  } catch (error) {
    part('refusal').textContent = error.message;
    return;
  }
  part('where').textContent = chatId;
  part('enter').hidden = true;
  part('chat').hidden = false;
  part('text').focus();
});

part('say').addEventListener('submit', async event => {
  event.preventDefault();
  const text = part('text').value.trim();
  if (text === '') return;
  part('text').value = '';
  if (!await publish({text})) part('text').value ||= text;
});
