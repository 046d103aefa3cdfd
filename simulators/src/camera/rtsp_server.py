# Frames from standard input (RGB, one after the other) through gst-rtsp-server: H.264 or H.265, over TCP or UDP.
# Arguments: PORT WIDTH HEIGHT FRAMES_PER_S h264|h265 [USER PASSWORD]. Says "ready" once it listens.
import fractions, sys, threading, gi
gi.require_version('Gst', '1.0'); gi.require_version('GstRtsp', '1.0'); gi.require_version('GstRtspServer', '1.0')
from gi.repository import Gst, GstRtsp, GstRtspServer, GLib

port, width, height, rate, codec = sys.argv[1:6]
Gst.init(None)
key = max(1, int(float(rate) * 2))
encoders = {
    'h264': f'x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000 key-int-max={key} ! rtph264pay',
    'h265': f'x265enc tune=zerolatency speed-preset=ultrafast bitrate=2000 key-int-max={key} ! h265parse ! rtph265pay',
}
fraction = fractions.Fraction(rate).limit_denominator(1000)
caps = f'video/x-raw,format=RGB,width={width},height={height},framerate={fraction.numerator}/{fraction.denominator}'
launch = (f'( appsrc name=frames is-live=true do-timestamp=true format=time caps={caps} ! queue max-size-buffers=2 leaky=downstream'
          f' ! videoconvert ! video/x-raw,format=I420 ! {encoders[codec]} name=pay0 pt=96 config-interval=1 )')
server = GstRtspServer.RTSPServer()
server.set_address('127.0.0.1')
server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(launch)
factory.set_shared(True)
if len(sys.argv) > 6:
    user, password = sys.argv[6:8]
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string('media.factory.role', 'user')
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    role = Gst.Structure.new_empty('user')
    role.set_value('media.factory.access', True)
    role.set_value('media.factory.construct', True)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role_from_structure(role)
    factory.set_permissions(permissions)

source = [None]
def configure(_factory, media):
    source[0] = media.get_element().get_by_name_recurse_up('frames')
factory.connect('media-configure', configure)
server.get_mount_points().add_factory('/live', factory)
server.attach(None)

def read():
    size = int(width) * int(height) * 3
    while True:
        frame = sys.stdin.buffer.read(size)
        if len(frame) < size:
            loop.quit()
            return
        if source[0] is not None:
            source[0].emit('push-buffer', Gst.Buffer.new_wrapped(frame))

loop = GLib.MainLoop()
threading.Thread(target=read, daemon=True).start()
print('ready', flush=True)
loop.run()
