/**
 * What events and SIP messages have in common, for the compression of the log: a match in here costs
 * three octets. Kept in each store that was made with it, so it may change with a release. The most
 * frequent stands last, where LZ4 looks first.
 */
export const LOG_DICTIONARY = [
  'REGISTER sip:INVITE sip:BYE sip:ACK sip:NOTIFY sip:SIP/2.0 200 OK\r\nSIP/2.0 202 Accepted\r\n',
  'MSRP/1.0 SEND\r\nTo-Path: msrp://\r\nFrom-Path: msrp://;tcp\r\nMessage-ID: \r\nByte-Range: 1-',
  'Success-Report: no\r\nFailure-Report: yes\r\nSubject: Record-Route: <sip:;lr>\r\nExpires: 3600\r\n',
  'Contact: <sip:;transport=tcp>;+g.oma.sip-im\r\nAccept-Contact: *;+g.oma.sip-im\r\n',
  'User-Agent: Allow: INVITE, ACK, CANCEL, BYE, MESSAGE, NOTIFY\r\nSupported: Route: <sip:;lr>\r\n',
  'Content-Type: message/cpim\r\nContent-Type: application/sdp\r\nDate: Mon, 23 Nov 2026 GMT\r\n',
  '["delivery-","DeliveryOpened","InviteAnswered","SnapshotTaken","PushAcknowledged","ByeReceived"',
  '"ByeAnswered","SubscriberRegistered","DeliveryEnded",{"f":"inviting","t":"pushing","t":"bye",',
  '"e":["sendInvite","openChannel","sendAck","pushMessages","sendBye","openDelivery"],',
  '["mailbox-sip:@","MessageDeferred",179,{"id":"000@","kind":"message","bytes":,"expiresAt":179',
  ',"deposit":""},{"f":"idle","t":"idle","f":"registered","t":"registered","f":"delivering",',
  '"e":["notifySummary","startTimer"],"d":{"expiry":{"dueAt":179,"event":"MessageExpired"}},',
  '"m":"mailbox@1","m":"delivery@1","c":"","v":["sip","udp","tcp","127.0.0.1:5060","192.0.2."]}]',
  'MESSAGE sip:@ SIP/2.0\r\nVia: SIP/2.0/TCP Via: SIP/2.0/UDP ;rport;branch=z9hG4bK',
  '\r\nMax-Forwards: 70\r\nMax-Forwards: 69\r\nFrom: "" <sip:@>;tag=\r\nTo: <sip:@>\r\nCall-ID: ',
  '\r\nCSeq: 1 MESSAGE\r\nP-Asserted-Identity: <sip:@>\r\nContent-Type: text/plain',
  ';charset=UTF-8\r\nContent-Length: \r\n\r\n',
].join('');
