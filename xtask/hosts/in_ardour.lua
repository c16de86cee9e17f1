-- Tocco's VST3 in Ardour, from insert to recorded MIDI to reload: ardour7-lua in_ardour.lua, with a folder for
-- the session in TOCCO_FOLDER. The dummy backend plays a pulse a second.

io.stdout:setvbuf("no")

-- The class of the VST3, as Ardour's scanner writes it.
local CLASS = "546F63636F477569746172546F756368"
local SENSITIVITY = 61
local SECONDS = 6

local function check(what, passed, found)
	if not passed then
		print("failed: " .. what .. ": " .. tostring(found))
		os.exit(1)
	end
	print("ok: " .. what)
end

local function wait(seconds)
	for _ = 1, seconds * 10 do
		ARDOUR.LuaAPI.usleep(100000)
	end
end

-- The number of the parameter `name` of `processor`.
local function number(processor, name)
	local plugin = processor:to_insert():plugin(0)
	for i = 0, plugin:parameter_count() - 1 do
		if plugin:parameter_label(i) == name then
			return i
		end
	end
	check("there is a parameter " .. name, false, "none")
end

local function value(processor, name)
	return (ARDOUR.LuaAPI.get_processor_param(processor, number(processor, name), true))
end

local folder = os.getenv("TOCCO_FOLDER") .. "/session"
local backend = AudioEngine:set_backend("None (Dummy)", "", "")
backend:set_sample_rate(48000)
backend:set_buffer_size(64)
backend:set_device_name("Engine Pulse")
check("the engine starts", AudioEngine:start(false) == 0)
local session = create_session(folder, "tocco", 48000)

local audio, midi = ARDOUR.DataType("audio"), ARDOUR.DataType("midi")
local last, normal = ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal
local guitar = session:new_audio_track(2, 2, nil, 1, "Guitar", last, normal, true):front()
local one = ARDOUR.ChanCount(midi, 1)
local drums = session:new_midi_track(one, one, true, ARDOUR.PluginInfo(), nil, nil, 1, "Drums", last, normal, true):front()

local tocco = ARDOUR.LuaAPI.new_plugin(session, CLASS, ARDOUR.PluginType.VST3, "")
check("the VST3 is found", not tocco:isnil())
check("it is inserted", guitar:add_processor_by_index(tocco, 0, nil, true) == 0)
-- What the window of pins does by clicks: two channels and MIDI out.
local outs = ARDOUR.ChanCount(audio, 2)
outs:set(midi, 1)
guitar:customize_plugin_insert(tocco, 1, outs, ARDOUR.ChanCount(audio, 0))
check("the track has a MIDI output", guitar:output():n_ports():n_midi() == 1)
local from, to = guitar:output():midi(0), drums:input():midi(0)
check("it is connected", from:connect(to:name()) == 0)
local master = session:master_out()
for i = 0, 1 do
	guitar:output():audio(i):connect(master:input():audio(i):name())
end

ARDOUR.LuaAPI.set_processor_param(tocco, number(tocco, "Sensitivity"), SENSITIVITY)
guitar:to_track():monitoring_control():set_value(1, PBD.GroupControlDisposition.NoGroup)
for _, track in ipairs({ guitar, drums }) do
	track:to_track():rec_enable_control():set_value(1, PBD.GroupControlDisposition.NoGroup)
end
session:maybe_enable_record()
session:request_roll(ARDOUR.TransportRequestSource.TRS_UI)
wait(SECONDS)
session:request_stop(false, false, ARDOUR.TransportRequestSource.TRS_UI)
wait(1)
local heard = value(tocco, "Notes heard")
check("pulses are heard", heard >= SECONDS - 2, heard)
local recorded = 0
for region in drums:to_track():playlist():region_list():iter() do
	for _ in ARDOUR.LuaAPI.note_list(region:to_midiregion():model()):iter() do
		recorded = recorded + 1
	end
end
check("their MIDI is recorded", recorded >= SECONDS - 2 and recorded <= heard, recorded .. " of " .. heard)

-- What was recorded is played from here on.
for _, track in ipairs({ guitar, drums }) do
	track:to_track():rec_enable_control():set_value(0, PBD.GroupControlDisposition.NoGroup)
end
guitar:to_track():monitoring_control():set_value(0, PBD.GroupControlDisposition.NoGroup)
-- So that what is exported is the notes alone.
ARDOUR.LuaAPI.set_processor_param(tocco, number(tocco, "Voices"), 6)
ARDOUR.LuaAPI.set_processor_param(tocco, number(tocco, "Dry"), -60)
wait(1)
session:save_state("", false, false, false, false, false)
guitar, drums, tocco, from, to, master = nil, nil, nil, nil, nil, nil
collectgarbage()
close_session()
session = load_session(folder, "tocco")
tocco = session:route_by_name("Guitar"):nth_plugin(0)
local found = value(tocco, "Sensitivity")
check("the session comes back with its state", found == SENSITIVITY, found)
print("done")
quit()
