import { action } from '../../../src/tokens/caveats.ts';
import { encode, type Value } from '../../../src/tokens/msgpack.ts';
import { caveat, fm2, macs, type RawToken, rawToken, seal, sha256 } from '../raw.ts';

/**
 * The project's own vectors. Everything is derived from names, so that they are the same each time. Tokens are put
 * together by raw.ts: signatures are right unless a case says otherwise.
 */
export interface Case {
  name: string;
  authorization: string | null;
  organization: string;
  expect: 'ok' | 401 | 403;
}

export const setting = {
  location: 'fly-edge',
  /** Unix seconds. */
  now: 1_800_000_000,
  organizations: [
    { slug: 'personal', id: 1 },
    { slug: 'acme', id: 2 },
  ],
  keys: ['old', 'new'].map((name) => ({
    kid: sha256(`kid ${name}`).subarray(0, 16).toString('base64'),
    key: sha256(`key ${name}`).toString('base64'),
  })),
  revoked: sha256('rnd revoked').subarray(0, 16).toString('hex'),
};

const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64');
const [oldKey, newKey] = setting.keys.map(({ kid, key }) => ({ kid: bytes(kid), key: bytes(key) }));
const { now } = setting;

type Pair = [Buffer, Buffer];

const rndOf = (name: string): Buffer => sha256(`rnd ${name}`).subarray(0, 16);
const raw = (caveats: Pair[], more: Partial<RawToken> = {}): RawToken => ({
  nonce: encode([newKey.kid, rndOf('a'), false]),
  location: encode(setting.location),
  caveats,
  key: newKey.key,
  ...more,
});
const token = (caveats: Pair[], more: Partial<RawToken> = {}): string => fm2(rawToken(raw(caveats, more)));

const org = (id: Value = 1, mask: Value = 31): Pair => caveat(0, [id, mask]);
const apps = (...entries: [number, number][]): Pair => caveat(3, [new Map(entries)]);
const window = (from: Value, to: Value): Pair => caveat(4, [from, to]);
const ifPresent = (ifs: Pair[], otherwise: Value): Pair => [
  encode(13),
  Buffer.concat([Buffer.of(0x92, 0x90 | (ifs.length * 2)), ...ifs.flat(), encode(otherwise)]),
];
const act = (mask: Value): Pair => caveat(26, mask);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const good = token([org()]);
const goodBytes = rawToken(raw([org()]));
const window720h = window(now - 10, now + 720 * 3600);

// Third parties: the ticket is opaque here, since only its bytes are compared.
const dischargeKey = sha256('discharge');
const ticket = sha256('ticket');
const thirdParty = (before: Uint8Array, party = 'https://auth.example', key: Uint8Array = dischargeKey): Pair =>
  caveat(11, [party, seal(before, key, Buffer.alloc(12, 7)), ticket]);
const dischargeOf = (caveats: Pair[] = [], more: Partial<RawToken> = {}): string =>
  token(caveats, {
    nonce: encode([ticket, rndOf('discharge'), true]),
    location: encode('https://auth.example'),
    key: dischargeKey,
    proof: true,
    ...more,
  });
const discharged = (...after: Pair[]): string => {
  const before = macs(raw([org()])).at(-1)!;
  return token([org(), thirdParty(before), ...after]);
};

const cases: Case[] = [];
const add = (expect: Case['expect'], list: Record<string, string | null>, organization = 'personal'): void => {
  for (const [name, authorization] of Object.entries(list)) {
    const header = authorization?.startsWith('fm2_') ? `FlyV1 ${authorization}` : authorization;
    cases.push({ name, authorization: header, organization, expect });
  }
};

add('ok', {
  'an organization': good,
  'no caveat at all is a full token': token([]),
  'Bearer takes the same tokens': `Bearer ${good}`,
  'schemes are case-insensitive': `bearer ${good}`,
  'two spaces': `FlyV1  ${good}`,
  'two schemes': `Bearer FlyV1 ${good}`,
  'two schemes the other way round': `FLYV1  bearer ${good}`,
  'schemes again and again': `Bearer FlyV1 FlyV1 Bearer ${good}`,
  'a list with blanks': `FlyV1 ${token([org(2)])} ,\t${good}, x`,
  'the older nonce without proof': token([org()], { nonce: encode([newKey.kid, rndOf('a')]) }),
  'a finalized proof': token([org()], { nonce: encode([newKey.kid, rndOf('a'), true]), proof: true }),
  'an older key': token([org()], { nonce: encode([oldKey.kid, rndOf('a'), false]), key: oldKey.key }),
  'mask r': token([org(1, action.read)]),
  'mask with bits of the future': token([org(1, 0xffff)]),
  'readonly: twice the organization': token([org(), org(1, 1)]),
  'a validity window': token([org(), window720h]),
  'the last second': token([window(0, now)]),
  'the first second': token([window(now, now)]),
  'a window from before 1970': token([window(-5, now)]),
  'a window beyond 2^53': token([window(0, 2n ** 63n - 1n)]),
  'action r': token([org(), act(1)]),
  'IfPresent about an app, else r': token([org(), ifPresent([apps([7, 31])], 1)]),
  'IfPresent about the organization, which is present': token([ifPresent([org()], 0)]),
  'IfPresent: what is present allows, else is not asked': token([ifPresent([apps([7, 0]), org(1, 1)], 0)]),
  'IfPresent without ifs, else r': token([ifPresent([], 1)]),
  'IfPresent in IfPresent': token([ifPresent([ifPresent([apps([7, 31])], 1)], 0)]),
  'IfPresent with empty Apps, else r': token([ifPresent([apps()], 1)]),
  'a discharged third-party caveat': `FlyV1 ${discharged()},${dischargeOf()}`,
  'the discharge first': `FlyV1 ${dischargeOf()},${discharged()}`,
  'a discharge that is no proof': `FlyV1 ${discharged()},${dischargeOf([], {
    nonce: encode([ticket, rndOf('discharge'), false]),
    proof: false,
  })}`,
  'a discharge with caveats that allow': `FlyV1 ${discharged()},${dischargeOf([org(), window720h])}`,
  'a wrong discharge beside the right one': `FlyV1 ${discharged()},${dischargeOf([], { key: sha256('x') })},${dischargeOf()}`,
  'one discharge for two caveats': ((): string => {
    const first = thirdParty(macs(raw([])).at(-1)!);
    const second = thirdParty(macs(raw([first])).at(-1)!);
    return `FlyV1 ${token([first, second])},${dischargeOf()}`;
  })(),
  'one of a list allows': `FlyV1 ${token([org(2)])},${token([window(0, 1)])},${good}`,
  'beside what can not be read': `FlyV1 fm2_AAAA,fm1r_${good.slice(4)},x,${good}`,
});
cases.push({ name: 'no scheme at all', authorization: good, organization: 'personal', expect: 'ok' });
cases.push({ name: 'no scheme before a list', authorization: `x,${good}`, organization: 'personal', expect: 'ok' });
add('ok', { 'the other organization with its token': token([org(2)]), 'a full token': token([]) }, 'acme');

add(403, {
  'another organization': token([org(2)]),
  'organization 0': token([org(0)]),
  'organization -1': token([org(-1)]),
  'organization null': token([org(null)]),
  'organization in words': token([org('1')]),
  'organization 2^32 + 1': token([org(2 ** 32 + 1)]),
  'organization 2^64 - 1': token([org(2n ** 64n - 1n)]),
  'two organizations, this one first': token([org(1), org(2)]),
  'two organizations, this one last': token([org(2), org(1)]),
  'mask without r': token([org(1, 30)]),
  'mask 0': token([org(1, 0)]),
  'mask of 17 bits': token([org(1, 0x10001)]),
  'mask -1': token([org(1, -1)]),
  'mask true': token([org(1, true)]),
  'mask null': token([org(1, null)]),
  'mask in words': token([org(1, 'r')]),
  'mask r, then w': token([org(1, 1), org(1, 2)]),
  'Organization of one field': token([caveat(0, [1])]),
  'Organization of three fields': token([caveat(0, [1, 31, 0])]),
  'Organization without fields': token([caveat(0, [])]),
  'Organization that is a map': token([
    caveat(
      0,
      new Map<string, Value>([
        ['id', 1],
        ['mask', 31],
      ]),
    ),
  ]),
  'Organization that is null': token([caveat(0, null)]),
  'an app': token([org(), apps([7, 31])]),
  'all apps': token([org(), apps([0, 31])]),
  'no apps': token([org(), apps()]),
  'an app without an organization': token([apps([7, 31])]),
  'action w': token([org(), act(2)]),
  'action 0': token([org(), act(0)]),
  'action in an array': token([org(), act([1])]),
  'action null': token([org(), act(null)]),
  'IfPresent about an app, else w': token([org(), ifPresent([apps([7, 31])], 2)]),
  'IfPresent about another organization': token([ifPresent([org(2)], 31)]),
  'IfPresent about an app and another organization': token([ifPresent([apps([7, 31]), org(2)], 31)]),
  'IfPresent: all that is present must allow': token([ifPresent([org(), org(2)], 31)]),
  'IfPresent without ifs, else nothing': token([ifPresent([], 0)]),
  'IfPresent with an unknown caveat': token([ifPresent([caveat(99, [])], 31)]),
  'IfPresent with a third-party caveat': `FlyV1 ${token([ifPresent([thirdParty(macs(raw([])).at(-1)!)], 31)])},${dischargeOf()}`,
  'IfPresent with app 0 beside others': token([ifPresent([apps([0, 31], [7, 31])], 31)]),
  'IfPresent with Apps that are an array': token([ifPresent([caveat(3, [[7, 31]])], 31)]),
  'IfPresent with a window that is over': token([ifPresent([window(0, now - 1)], 31)]),
  'IfPresent in IfPresent that denies': token([ifPresent([ifPresent([apps([7, 31])], 2)], 31)]),
  'IfPresent with half a caveat': token([[encode(13), encode([[3], 31])]]),
  'IfPresent with a list that is none': token([[encode(13), encode([3, 31])]]),
  'IfPresent without else': token([[encode(13), encode([[]])]]),
  'IfPresent with else null': token([[encode(13), encode([[], null])]]),
  'a window of one bound': token([caveat(4, [0])]),
  'a window of words': token([window('0', '9')]),
  'an unknown caveat': token([org(), caveat(99, [])]),
  'the reserved caveat 1': token([org(), caveat(1, [])]),
  Volumes: token([org(), caveat(2, [new Map([['vol_3x', 31]])])]),
  Mutations: token([org(), caveat(6, [['x']])]),
  'IsUser, an unknown one here': token([org(), caveat(10, [1])]),
  'BindToParentToken of nothing': token([org(), caveat(12, Buffer.alloc(0))]),
  'a caveat from 2^48': token([org(), caveat(2 ** 48, 'foo')]),
  'the greatest caveat': token([org(), caveat(2n ** 64n - 1n, null)]),
  'an attestation': token([org(), caveat(23, 1)]),
  'a discharge about another organization': `FlyV1 ${discharged()},${dischargeOf([org(2)])}`,
  'a discharge with an attestation': `FlyV1 ${discharged()},${dischargeOf([caveat(23, 1)])}`,
  'a caveat after the third-party one': `FlyV1 ${discharged(org(2))},${dischargeOf()}`,
  'a list of which none allows': `FlyV1 ${token([org(2)])},${token([apps()])}`,
});
add(403, { 'an organization that does not exist': good, 'the same with a full token': token([]) }, 'nobody');
add(403, { 'organization null, for one that does not exist': token([org(null)]) }, 'nobody');
add(403, { "another's token": good, 'a slug in capitals': token([]) }, 'ACME');
add(403, { 'a slug of nothing': token([]) }, '');
add(403, { 'a slug that every object has': token([]) }, 'constructor');

const swapped = raw([org(2), window720h]);
const tailOf = (one: RawToken): Buffer => rawToken(one).subarray(-32);
const withTail = (one: RawToken, tail: Uint8Array): string =>
  fm2(Buffer.concat([rawToken(one).subarray(0, -32), tail]));
const attenuated = raw([org(), window720h]);

add(401, {
  'no header': null,
  'an empty header': '',
  'a scheme alone': 'FlyV1',
  'a scheme and a space': 'FlyV1 ',
  'another scheme': `Basic ${good}`,
  'no scheme': ` ${good}`,
  'a tab for the space': `FlyV1\t${good}`,
  'NBSP for the space': `FlyV1\u00a0${good}`,
  'NBSP behind': `FlyV1 ${good}\u00a0`,
  'NBSP in a list': `FlyV1 x,\u00a0${good}`,
  'a scheme behind': `${good} FlyV1`,
  'another scheme first': `Basic FlyV1 ${good}`,
  'another scheme second': `FlyV1 Basic ${good}`,
  'a scheme in a list': `FlyV1 x,FlyV1 ${good}`,
  'a scheme with a letter more': `FlyV1s ${good}`,
  'a long s for an s': `bearer\u017f ${good}`,
  'schemes alone': 'Bearer FlyV1',
  'a space behind': `FlyV1 ${good} `,
  'an empty list': 'FlyV1 ,',
  'an empty token': 'FlyV1 fm2_',
  'an unknown prefix': `FlyV1 fm1_${good.slice(4)}`,
  'a prefix in capitals': `FlyV1 FM2_${good.slice(4)}`,
  'no prefix': `FlyV1 ${good.slice(4)}`,
  'the wrong key': token([org()], { key: oldKey.key }),
  'an unknown key': token([org()], { nonce: encode([sha256('x').subarray(0, 16), rndOf('a'), false]) }),
  'no key id': token([org()], { nonce: encode([Buffer.alloc(0), rndOf('a'), false]) }),
  'the beginning of a key id': token([org()], { nonce: encode([newKey.kid.subarray(0, 15), rndOf('a'), false]) }),
  'a tail of zeros': withTail(raw([org()]), Buffer.alloc(32)),
  "another token's tail": withTail(raw([org()]), tailOf(raw([]))),
  'another location': token([org()], { location: encode('https://api.fly.io/v1') }),
  'no location': token([org()], { location: encode('') }),
  'a location in capitals': token([org()], { location: encode('FLY-EDGE') }),
  expired: token([org(), window(0, now - 1)]),
  'not yet valid': token([org(), window(now + 1, now + 2)]),
  'a window the wrong way round': token([org(), window(now + 1, now - 1)]),
  'two windows of which one is over': token([window(0, now - 1), window(0, now + 1)]),
  revoked: token([org()], { nonce: encode([newKey.kid, rndOf('revoked'), false]) }),
  'made from a revoked one': token([org(), org(1, 1)], { nonce: encode([newKey.kid, rndOf('revoked'), false]) }),
  'caveats the other way round': withTail(raw([window720h, org()]), tailOf(attenuated)),
  'the last caveat dropped': withTail(raw([org()]), tailOf(attenuated)),
  'the first caveat dropped': withTail(raw([window720h]), tailOf(attenuated)),
  'all caveats dropped': withTail(raw([]), tailOf(attenuated)),
  'a caveat repeated': withTail(raw([org(), org(), window720h]), tailOf(attenuated)),
  'a caveat added before': withTail(raw([act(1), org(), window720h]), tailOf(attenuated)),
  'a caveat added behind': withTail(raw([org(), window720h, act(1)]), tailOf(attenuated)),
  'another body': withTail(raw([org(2), window720h]), tailOf(attenuated)),
  "two tokens' caveats swapped": withTail(attenuated, tailOf(swapped)),
  'another type with the same body': withTail(raw([caveat(4, [1, 31])]), tailOf(raw([org()]))),
  'a proof that is not finalized': token([org()], { nonce: encode([newKey.kid, rndOf('a'), true]) }),
  'finalized without being a proof': token([org()], { proof: true }),
  'a caveat behind a proof': ((): string => {
    const proof = raw([org()], { nonce: encode([newKey.kid, rndOf('a'), true]), proof: true });
    const longer = { ...proof, caveats: [...proof.caveats, act(1)] };
    return withTail(longer, macs({ ...raw([act(1)]), key: tailOf(proof) }).at(-1)!);
  })(),
  'proof false left out': withTail(raw([org()], { nonce: encode([newKey.kid, rndOf('a')]) }), tailOf(raw([org()]))),
  'no discharge': discharged(),
  'a discharge alone': dischargeOf(),
  'a discharge with the wrong key': `FlyV1 ${discharged()},${dischargeOf([], { key: sha256('x') })}`,
  'a discharge for another ticket': `FlyV1 ${discharged()},${dischargeOf([], {
    nonce: encode([sha256('x'), rndOf('discharge'), true]),
  })}`,
  'a discharge of another party': `FlyV1 ${discharged()},${dischargeOf([], { location: encode('https://evil.example') })}`,
  'a discharge that is not finalized': `FlyV1 ${discharged()},${dischargeOf([], { proof: false })}`,
  'a discharge that is over': `FlyV1 ${discharged()},${dischargeOf([window(0, now - 1)])}`,
  'a discharge that needs one': `FlyV1 ${discharged()},${dischargeOf([thirdParty(sha256('x'))])}`,
  'a verifier key sealed under another MAC': `FlyV1 ${token([org(), thirdParty(sha256('x'))])},${dischargeOf()}`,
  'a verifier key sealed under the MAC after': `FlyV1 ${token([thirdParty(macs(raw([org()])).at(-1)!), org()])},${dischargeOf()}`,
  'a verifier key that is too short': `FlyV1 ${token([thirdParty(macs(raw([])).at(-1)!, 'https://auth.example', dischargeKey.subarray(1))])},${dischargeOf()}`,
  'no verifier key': `FlyV1 ${token([caveat(11, ['https://auth.example', Buffer.alloc(0), ticket])])},${dischargeOf()}`,
  'a third-party caveat of two fields': `FlyV1 ${token([caveat(11, ['https://auth.example', ticket])])},${dischargeOf()}`,
  'a third-party caveat that is null': `FlyV1 ${token([caveat(11, null)])},${dischargeOf()}`,
  'a token as its own discharge': `FlyV1 ${discharged()},${discharged()}`,
});

// Right signatures over spellings that are not the canonical ones, and over what is no token.
const nonceHex = encode([newKey.kid, rndOf('a'), false]);
const spelled = (type: string, body: string): string => token([[hex(type), hex(body)]]);
const replaced = (from: number, to: number, ...parts: Uint8Array[]): string =>
  fm2(Buffer.concat([goodBytes.subarray(0, from), ...parts, goodBytes.subarray(to)]));
const caveatsAt = 1 + nonceHex.length + 1 + setting.location.length;

add(401, {
  'type in uint8': spelled('cc 00', '92 01 1f'),
  'type in uint16': spelled('cd 0000', '92 01 1f'),
  'type in uint64': spelled('cf 0000000000000000', '92 01 1f'),
  'type in int8': spelled('d0 00', '92 01 1f'),
  'negative type': spelled('ff', '92 01 1f'),
  'type in words': spelled('a1 30', '92 01 1f'),
  'type null': spelled('c0', '92 01 1f'),
  'id in uint8': spelled('00', '92 cc01 1f'),
  'id in uint32': spelled('00', '92 ce00000001 1f'),
  'id in int64': spelled('00', '92 d30000000000000001 1f'),
  'id in float32': spelled('00', '92 ca3f800000 1f'),
  'id in float64': spelled('00', '92 cb3ff0000000000000 1f'),
  'mask in uint16': spelled('00', '92 01 cd001f'),
  'body in array16': spelled('00', 'dc0002 01 1f'),
  'body in array32': spelled('00', 'dd00000002 01 1f'),
  'action in int8': spelled('1a', 'd001'),
  'apps in map16': spelled('03', '91 de0001 07 1f'),
  'apps with a key twice': spelled('0d', '92 92 03 91 82 07 1f 07 1f 01'),
  'apps with falling keys': spelled('0d', '92 92 03 91 82 08 1f 07 1f 01'),
  'apps with an array for a key': spelled('0d', '92 92 03 91 81 90 1f 01'),
  'a short string in str8': spelled('63', 'd90161'),
  'a short string in str16': spelled('63', 'da000161'),
  'bytes in bin16': spelled('63', 'c5000161'),
  'a string that is not UTF-8': spelled('63', 'a1ff'),
  'an extension': spelled('63', 'd40100'),
  'the tag that is never used': spelled('63', 'c1'),
  'a body of 2^32 - 1 items': spelled('63', 'ddffffffff'),
  'a body of 2^32 - 1 bytes': spelled('63', 'c6ffffffff'),
  'a body of 17 arrays in arrays': spelled('63', `${'91'.repeat(17)}c0`),
  'nonce in array16': token([org()], { nonce: Buffer.concat([hex('dc0003'), nonceHex.subarray(1)]) }),
  'a nonce of four fields': token([org()], { nonce: encode([newKey.kid, rndOf('a'), false, 0]) }),
  'a nonce of one field': token([org()], { nonce: encode([newKey.kid]) }),
  'a proof that is 0': token([org()], { nonce: encode([newKey.kid, rndOf('a'), 0]) }),
  'a proof that is null': token([org()], { nonce: encode([newKey.kid, rndOf('a'), null]) }),
  'a key id that is text': token([org()], { nonce: encode(['kid', rndOf('a'), false]) }),
  'a random part of 15 bytes': token([org()], { nonce: encode([newKey.kid, rndOf('a').subarray(1), false]) }),
  'a random part of 17 bytes': token([org()], {
    nonce: encode([newKey.kid, sha256('x').subarray(0, 17), false]),
  }),
  'a location in str8': token([org()], { location: Buffer.concat([hex('d908'), Buffer.from('fly-edge')]) }),
  'a location of bytes': token([org()], { location: encode(Buffer.from('fly-edge')) }),
  'caveats in array16': replaced(caveatsAt, caveatsAt + 1, hex('dc0002')),
  'caveats of odd length': replaced(caveatsAt, caveatsAt + 1, hex('93 c0')),
  'caveats in a map': replaced(caveatsAt, caveatsAt + 1, hex('81')),
  'caveats null': replaced(caveatsAt, goodBytes.length - 34, hex('c0')),
  'a token in array16': replaced(0, 1, hex('dc0004')),
  'a token of five items': fm2(Buffer.concat([hex('95'), goodBytes.subarray(1), hex('c0')])),
  'a token of three items': fm2(Buffer.concat([hex('93'), goodBytes.subarray(1, -34)])),
  'a token in a map': replaced(0, 1, hex('82')),
  'an empty array': fm2(hex('90')),
  null: fm2(hex('c0')),
  'a byte behind': fm2(Buffer.concat([goodBytes, hex('00')])),
  'twice the token': fm2(Buffer.concat([goodBytes, goodBytes])),
  'a byte less': fm2(goodBytes.subarray(0, -1)),
  'a tail in bin16': replaced(goodBytes.length - 34, goodBytes.length - 32, hex('c50020')),
  'a tail of 31 bytes': replaced(goodBytes.length - 34, goodBytes.length - 31, hex('c41f')),
  'a tail of no bytes': replaced(goodBytes.length - 34, goodBytes.length, hex('c400')),
  'a tail of text': replaced(goodBytes.length - 34, goodBytes.length - 32, hex('d920')),
  'base64 a letter short': good.slice(0, -1),
  'base64 four letters short': good.slice(0, -4),
  'base64 without its padding': token([]).replace(/=+$/, ''),
  'base64 with more padding': `${good}=`,
  'base64 with four letters of padding': `${good}====`,
  'base64 for URLs': `FlyV1 ${good.replaceAll('+', '-').replaceAll('/', '_')}`,
  'base64 with a letter that is none': `FlyV1 ${good.slice(0, 20)}*${good.slice(20)}`,
  'base64 with a space': `FlyV1 ${good.slice(0, 20)} ${good.slice(20)}`,
  'a header of 16385 bytes': `FlyV1 ${good},${'x'.repeat(16385 - 7 - good.length)}`,
  'thirty-three tokens': `FlyV1 ${Array.from({ length: 33 }, () => good).join(',')}`,
});

export { cases };
