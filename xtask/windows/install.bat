@echo off
rem Puts Tocco where hosts look for plugins. Run it as administrator: right-click it. Once more for a
rem new version; close your DAW first.
setlocal
set "here=%~dp0"
set "common=%CommonProgramW6432%"
if not defined common set "common=%CommonProgramFiles%"

if not exist "%common%\CLAP" mkdir "%common%\CLAP" || goto refused
copy /y "%here%Tocco.clap" "%common%\CLAP\Tocco.clap" >nul || goto refused

if not exist "%common%\VST3" mkdir "%common%\VST3" || goto refused
if exist "%common%\VST3\Tocco.vst3" rmdir /s /q "%common%\VST3\Tocco.vst3"
if exist "%common%\VST3\Tocco.vst3" goto refused
xcopy /e /i /q /y "%here%Tocco.vst3" "%common%\VST3\Tocco.vst3" >nul || goto refused

echo Tocco is in "%common%\CLAP" and in "%common%\VST3".
echo Let your DAW search for plugins once more.
if not "%1"=="/quiet" pause
exit /b 0

:refused
echo Tocco could not be written to "%common%".
echo Close your DAW, then right-click this file and choose "Run as administrator".
if not "%1"=="/quiet" pause
exit /b 1
